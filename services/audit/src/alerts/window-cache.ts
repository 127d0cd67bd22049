import type { AlertRule } from "@medvault/contracts";
import type { Memory, Remembered } from "./rule.ts";

/** Windows that a process holds beside those of the batch in hand. */
const MAX_CACHED = 20_000;

interface Key {
  readonly rule: AlertRule;
  readonly cause: string;
}
interface Cached extends Key {
  readonly remembered: Remembered | undefined;
  readonly keepMs: number;
}

/** What is remembered in the database, as far as this process has read or written it. */
export interface WindowCache extends Memory {
  /** Those of the keys that were never read, each once. */
  unknown(keys: readonly Key[]): Key[];
  /** What was found of these keys; of the others there is nothing. */
  fill(asked: readonly Key[], found: readonly (Key & { remembered: Remembered })[]): void;
  changed(): (Key & { remembered: Remembered; keepMs: number })[];
  /** What changed is written. The longest unused go. */
  settle(): void;
}

export function createWindowCache(maxCached = MAX_CACHED): WindowCache {
  const cached = new Map<string, Cached>();
  const dirty = new Set<string>();
  const textOf = ({ rule, cause }: Key) => `${rule} ${cause}`;
  return {
    get: (rule, cause) => cached.get(textOf({ rule, cause }))?.remembered,
    set({ name: rule, keepMs }, cause, remembered) {
      const text = textOf({ rule, cause });
      cached.delete(text);
      cached.set(text, { rule, cause, remembered, keepMs });
      dirty.add(text);
    },
    unknown(keys) {
      const asked = new Map(keys.map((key) => [textOf(key), key]));
      return [...asked].filter(([text]) => !cached.has(text)).map(([, key]) => key);
    },
    fill(asked, found) {
      for (const key of asked) cached.set(textOf(key), { ...key, remembered: undefined, keepMs: 0 });
      for (const { rule, cause, remembered } of found) {
        cached.set(textOf({ rule, cause }), { rule, cause, remembered, keepMs: 0 });
      }
    },
    changed: () =>
      [...dirty].flatMap((text) => {
        const { rule, cause, remembered, keepMs } = cached.get(text) ?? {};
        return rule && cause && remembered && keepMs ? [{ rule, cause, remembered, keepMs }] : [];
      }),
    settle() {
      dirty.clear();
      for (const text of cached.keys()) {
        if (cached.size <= maxCached) break;
        cached.delete(text);
      }
    },
  };
}
