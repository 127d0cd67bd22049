/** The log is not healed; its message says why, and what to do. */
export class HealingRefused extends Error {
  override readonly name = "HealingRefused";
}
