/** I8: five failures in a rolling five minutes lock for an hour. */
export const LOCKOUT = { failuresMax: 5, windowMs: 5 * 60_000, lockMs: 60 * 60_000 } as const;

/** How long an address is remembered as one that the account signs in from. */
export const KNOWN_ADDRESS_MS = 90 * 24 * 3600_000;
