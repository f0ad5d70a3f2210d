// Package faults holds the tests of what tills see when something breaks between
// their gateways and the log: the table in docs/operations.md, row by row and policy
// by policy. It has no code but tests.
package faults
