import { Id, MAX_NAMES, NamesAnswer, Unavailable } from "@medvault/contracts";
import { BoundedMap } from "./bounded-map.ts";
import { type Caller, internalClient } from "./internal.client.ts";
import type { Tls } from "./tls.ts";

/** A name is a courtesy: no answer waits for it longer than this. */
const WAIT_MS = 400;
const CONNECTIONS = 4;
/** How long a name is believed: so much later than a change of it answers may show the old one. */
const FRESH_MS = 30_000;
const MAX_KEPT = 10_000;
/** Failures in a row after which nobody is asked for a while. */
const FAILURES = 3;
const PAUSE_MS = 5_000;

/** How people are called, by their ids. Null: nobody is known by it, or auth cannot say. */
export type NameOf = (id: string) => string | null;

/** Whom does an answer name? Auth alone knows. */
export interface People {
  /** Never throws: while auth is away, those are null whom nobody has asked for lately. */
  namesOf(caller: Caller, ids: Iterable<string>): Promise<NameOf>;
  close(): Promise<void>;
}

/** Asks auth at `url` for names, in batches, and keeps them for some seconds. */
export function peopleClient(url: string, tls: Tls | null): People {
  const auth = internalClient(url, tls, { waitMs: WAIT_MS, connections: CONNECTIONS });
  const kept = new BoundedMap<string, { name: string | null; until: number }>(MAX_KEPT);
  /** What is being asked: all who need the same name wait for the same answer. */
  const asked = new Map<string, Promise<void>>();
  let failures = 0;
  let silentUntil = 0;

  async function ask(caller: Caller, ids: readonly string[]): Promise<void> {
    try {
      const { status, body } = await auth.ask(caller, "/internal/people", { ids });
      const answer = NamesAnswer.safeParse(body);
      if (status !== 200 || !answer.success) throw new Unavailable();
      const names = new Map(answer.data.items.map(({ id, name }) => [id, name]));
      const until = Date.now() + FRESH_MS;
      for (const id of ids) kept.set(id, { name: names.get(id) ?? null, until });
      failures = 0;
    } catch (error) {
      if (!(error instanceof Unavailable)) return; // work that outlived its assertion says nothing of auth
      failures += 1;
      if (failures >= FAILURES) silentUntil = Date.now() + PAUSE_MS;
    }
  }

  return {
    async namesOf(caller, ids) {
      const now = Date.now();
      const waits = new Set<Promise<void>>();
      const missing: string[] = [];
      for (const id of new Set(ids)) {
        if ((kept.get(id)?.until ?? 0) > now) continue;
        const running = asked.get(id);
        if (running) waits.add(running);
        else if (Id.safeParse(id).success) missing.push(id);
      }
      for (let at = 0; now >= silentUntil && at < missing.length; at += MAX_NAMES) {
        const batch = missing.slice(at, at + MAX_NAMES);
        const call = ask(caller, batch).finally(() => {
          for (const id of batch) asked.delete(id);
        });
        for (const id of batch) asked.set(id, call);
        waits.add(call);
      }
      await Promise.all(waits);
      return (id) => {
        const known = kept.get(id);
        return known && known.until > now ? known.name : null;
      };
    },
    close: () => auth.close(),
  };
}
