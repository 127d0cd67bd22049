// Relays of this process by source, so that a commit wakes its relay without a LISTEN connection
// (NOTIFY halves the rate of commits). What is missed here, polling finds within 100 ms.
const relays = new Map<string, Set<() => void>>();

/** Registers a relay; the answer takes it off again. */
export function onEmitted(source: string, wake: () => void): () => void {
  const set = relays.get(source) ?? new Set();
  relays.set(source, set.add(wake));
  return () => set.delete(wake);
}

/** Wakes the relays of the source in this process, if there are any. */
export function wakeRelays(source: string): void {
  for (const wake of relays.get(source) ?? []) wake();
}
