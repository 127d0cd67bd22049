/** One signing key of access tokens, and from when it signs: until the next one begins to. */
export interface ScheduledKey {
  generation: number;
  useFrom: Date;
  /** With a daily reset: when every session of before had ended. */
  resetAt: Date | null;
}

/** How long a key signs (I13). */
const KEY_USE_MS = 24 * 3600_000;
/** How long before it signs it is published: gateways keep the key set for 10 min at most. */
const PUBLISH_AHEAD_MS = 3600_000;
/** From its last use to its last token's end: 10 min of a step-up, the gateway's leeway, some. */
const LAST_TOKEN_MS = 15 * 60_000;

/** A generation's key in the key table; the first one's name is from before there were several. */
export function keyName(generation: number): string {
  return generation === 0 ? "access-tokens" : `access-tokens/${generation}`;
}

/** The key that signs at `now`, or null when there is none yet. */
export function keyInUse<K extends Pick<ScheduledKey, "useFrom">>(keys: readonly K[], now: Date): K | null {
  const begun = keys.filter((key) => key.useFrom <= now);
  return newest(begun.length > 0 ? begun : keys);
}

/**
 * The key to make now, or null. The first is used at once: there is no other that anybody could
 * know. Every later one is published first, also when it is overdue because nothing ran.
 */
export function keyToMake(keys: readonly ScheduledKey[], now: Date): ScheduledKey | null {
  const last = newest(keys);
  if (!last) return { generation: 0, useFrom: now, resetAt: null };
  const dueMs = last.useFrom.getTime() + KEY_USE_MS;
  if (now.getTime() < dueMs - PUBLISH_AHEAD_MS) return null;
  const useFrom = new Date(Math.max(dueMs, now.getTime() + PUBLISH_AHEAD_MS));
  return { generation: last.generation + 1, useFrom, resetAt: null };
}

/** Which keys are of no use any more: their successor has signed for longer than a token lives. */
export function deadKeys<K extends Pick<ScheduledKey, "useFrom">>(keys: readonly K[], now: Date): K[] {
  const inOrder = [...keys].sort((a, b) => a.useFrom.getTime() - b.useFrom.getTime());
  return inOrder.filter((_key, i) => {
    const successor = inOrder[i + 1];
    return successor !== undefined && successor.useFrom.getTime() + LAST_TOKEN_MS <= now.getTime();
  });
}

function newest<K extends Pick<ScheduledKey, "useFrom">>(keys: readonly K[]): K | null {
  return keys.reduce<K | null>((best, key) => (best && best.useFrom >= key.useFrom ? best : key), null);
}
