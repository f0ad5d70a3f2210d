// Package demo is a small shop whose devices sign in, work, refresh their
// tokens, leave, and now and then are lost: what `posse serve --demo` shows.
//
// It uses posse as a stranger would, over HTTP with a backend key, the tokens
// that posse mints and the gateway; it has no way around them. Its people are
// roles and its addresses are from the ranges that RFC 5737 keeps for examples.
package demo
