import type { Db } from "@medvault/postgres";

// Relays of this process by source. A commit wakes them without NOTIFY, which halves the rate of
// commits: only where none is (a command, a job) the commit itself notifies, and a relay that is
// without the lease tells the one that has it, once for many commits. What is missed here the relay
// finds when it next looks, within 2 s.
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

/** Where the relay of a source listens for the commits of other processes. */
export function relayChannel(source: string): string {
  return `medvault_outbox_${source}`;
}

/** The channel that a commit of this process has to notify; null when a relay here is woken. */
export function channelToNotify(source: string): string | null {
  return (relays.get(source)?.size ?? 0) > 0 ? null : relayChannel(source);
}

/** Wakes the relay of another process. */
export async function tellRelay(db: Db, source: string): Promise<void> {
  await db.query("select pg_notify($1, '')", [relayChannel(source)]);
}
