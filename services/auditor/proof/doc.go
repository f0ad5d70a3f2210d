// Package proof shows that the history is what it was: a Merkle tree over
// POS_SESSIONS, checkpoints of it that are signed and kept elsewhere, and proofs
// of single events that need nothing but a public key.
//
// Each message of the stream is a leaf (see [Leaf]), message N the leaf of index
// N-1. The tree is that of RFC 6962, as golang.org/x/mod/sumdb/tlog has it;
// checkpoints are signed notes in the form of c2sp.org/tlog-checkpoint, proofs have
// that of c2sp.org/tlog-proof. docs/adr/0033 says why.
//
// An [Auditor] follows the stream, keeps the tree's hashes in a directory of its
// own ([Tree]) and puts checkpoints into a second place ([Places]). [Verify] trusts
// neither the stream nor the hashes: it reads every message again and compares with
// what was signed. [Prove] and [CheckProof] are about one event.
//
// The package reads the log through the port in pkg/eventlog, page by page and
// without a consumer, so that an auditor's NATS user may do nothing but read.
package proof
