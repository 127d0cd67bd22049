/** How often something may go wrong, and what happens then. */
export interface Limit {
  max: number;
  /** Rolling. */
  windowMs: number;
  /** The first lock; 0: no lock, the window alone. */
  lockMs: number;
  /** Each further lock lasts this many times the one before, while remembered. 1: all alike. */
  growth: number;
}

/** I8 and I22: how guesses are counted. */
export interface LockoutRules extends Limit {
  /**
   * `account`: one count per account. `address`: one per account and address. `both`: per account
   * and address where the account is known from the address, else one for the account. A known
   * device has its own count in each of them.
   */
  by: "account" | "address" | "both";
  /** How long a device or an address is remembered as one that the account signs in from. */
  knownMs: number;
}

/** I8: five failures in a rolling five minutes lock for an hour. */
export const LOCKOUT: LockoutRules = {
  by: "both",
  max: 5,
  windowMs: 5 * 60_000,
  lockMs: 60 * 60_000,
  growth: 1,
  knownMs: 90 * 24 * 3600_000,
};

/** However they grow, no lock is longer. */
export const LOCK_MAX_MS = 24 * 3600_000;
/** How long after its lock a bucket still knows how often it has locked. */
export const REMEMBER_LOCK_MS = 24 * 3600_000;
