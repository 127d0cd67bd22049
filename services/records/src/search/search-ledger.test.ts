import { setTimeout as delay } from "node:timers/promises";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";

/** Checks of the ledger; 10,000 at 200 writes a second take two minutes. */
const CHECKS = Number(process.env.MEDVAULT_SEARCH_CHECKS ?? 400);
const WRITES_PER_SECOND = 200;
vi.setConfig({ testTimeout: 60_000 + CHECKS * 120 });

let writing: Records;
let reading: Records;
let doctor: TestClient;
beforeAll(async () => {
  writing = await startRecords();
  reading = await startRecords({ database: writing.database, keyring: writing.keyring });
  doctor = writing.someone("doctor");
});
afterAll(async () => {
  await reading?.close();
  await writing?.close();
});

interface Entry {
  id: string;
  medication: string;
  patientId: string;
  /** What an earlier version was called. */
  former: string | null;
  /** While a write of it is under way nothing can be said of it. */
  isBusy: boolean;
  isThere: boolean;
}

const LETTERS = "abcdefghij";
/** A word that is part of no other. */
const word = (n: number): string => `x${[...String(n)].map((digit) => LETTERS[Number(digit)]).join("")}x`;

/** Writes at the rate, through one process: new ones, renamed ones and deleted ones. */
function startWriting(patients: readonly string[]) {
  const ledger: Entry[] = [];
  let made = 0;
  let isStopped = false;
  const refused: number[] = [];
  const write = async (n: number): Promise<void> => {
    const medication = word(made++);
    const old = n % 4 > 1 ? ledger[Math.floor(Math.random() * ledger.length)] : undefined;
    if (!old || old.isBusy || !old.isThere) {
      const patientId = patients[n % patients.length] as string;
      const answer = await doctor.post<Known>("/v1/prescriptions", { ...ASPIRIN, patientId, medication });
      if (answer.status === 201)
        ledger.push({
          id: answer.body.id,
          medication,
          patientId,
          former: null,
          isBusy: false,
          isThere: true,
        });
      else refused.push(answer.status);
      return;
    }
    old.isBusy = true;
    const path = `/v1/prescriptions/${old.id}`;
    const { status } = await (n % 4 === 2
      ? doctor.put(path, { ...ASPIRIN, patientId: old.patientId, medication })
      : doctor.delete(path));
    if (status === 200) Object.assign(old, { former: old.medication, medication });
    else if (status === 204) old.isThere = false;
    else {
      refused.push(status); // whether it committed nobody knows: it stays busy
      return;
    }
    old.isBusy = false;
  };
  const ended = (async () => {
    const started = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let n = 0; !isStopped; n += 1) {
      const one: Promise<void> = write(n).finally(() => underWay.delete(one));
      underWay.add(one);
      if (underWay.size >= 8) await Promise.race(underWay);
      const early = started + (n * 1000) / WRITES_PER_SECOND - performance.now();
      await delay(Math.max(0, early));
    }
    await Promise.all(underWay);
    return made;
  })();
  return {
    ledger,
    async stop(): Promise<number> {
      isStopped = true;
      const count = await ended;
      expect(refused.filter((status) => status !== 503)).toEqual([]);
      return count - refused.length;
    },
  };
}

test("no search through another process misses what was committed, or shows what was deleted, while one writes 200 a second", async () => {
  const patients: string[] = [];
  while (patients.length < 10) patients.push(await givenPatient(doctor));
  const writer = startWriting(patients);
  const by = [doctor, writing.someone("admin")].map(({ actor }) => reading.as(actor));
  const wrong: unknown[] = [];
  let [asked, checks] = [0, 0];
  const check = async (): Promise<void> => {
    while (checks < CHECKS) {
      const { ledger } = writer;
      const newest = Math.random() < 0.5 ? ledger.length - 1 : Math.floor(Math.random() * ledger.length);
      const entry = ledger[newest];
      if (!entry || entry.isBusy) {
        await delay(1);
        continue;
      }
      const known = { ...entry };
      asked += 1;
      const q = known.former !== null && asked % 4 < 2 ? known.former : known.medication;
      const asker = by[asked % 2] as TestClient;
      const answer = await asker.post<{ items: Known[] }>("/v1/prescriptions/search", { q, limit: 5 });
      if (answer.status === 503) continue; // refused on a busy machine: not a short answer
      const hits = answer.body.items ?? [answer.status];
      // What changed while it was searched may be either.
      if (JSON.stringify(known) !== JSON.stringify(entry)) continue;
      checks += 1;
      const isWanted = known.isThere && q === known.medication;
      if (hits.length !== (isWanted ? 1 : 0) || (isWanted && answer.body.items[0]?.id !== known.id))
        wrong.push({ known, hits });
    }
  };
  await Promise.all([check(), check(), check(), check()]);
  const written = await writer.stop();
  expect(wrong).toEqual([]);
  expect(written).toBeGreaterThan(20);
});
