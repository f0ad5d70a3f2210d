// Package session is the domain: what may happen to the sessions of one user.
//
// Facts fold into a State with Evolve; a command and a State give a Decision
// with Decide. Both are pure: there is no context, clock, randomness or I/O here.
// Time and ids arrive in the command. Decide validates; Evolve never does, since
// history is already true.
//
// A session lives like this, and there is no way back up:
//
//	          Login
//	            │
//	            ▼
//	┌──────▶ active ──────┐
//	└─Refresh─┘  │        │ its expiry passes
//	             │        ▼
//	EndOne,      │     expired
//	EndOthers,   │
//	EndAll,      │
//	EndIdle,     │
//	a cap, an old refresh token
//	             ▼
//	          revoked
//
// The package imports package events only and must stay so.
package session
