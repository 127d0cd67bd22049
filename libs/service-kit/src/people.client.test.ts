import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { MAX_NAMES, newId } from "@medvault/contracts";
import { actor } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Caller } from "./internal.client.ts";
import { peopleClient } from "./people.client.ts";

/** Stands in for auth: calls everybody by the end of their id, in one of these ways. */
let manner: "well" | "never" | "badly" | "moved" | "unauthenticated" = "well";
const asked: string[][] = [];
const auth = createServer(async (req, res) => {
  const { ids } = (await json(req)) as { ids: string[] };
  asked.push(ids);
  if (manner === "never") return;
  if (manner === "moved") return void res.writeHead(307, { location: `${urlOf()}/elsewhere` }).end("{}");
  const status = manner === "unauthenticated" ? 401 : manner === "badly" ? 500 : 200;
  const items = ids.filter((id) => id !== NOBODY).map((id) => ({ id, name: nameOf(id) }));
  res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ items }));
});
const NOBODY = newId();
let suffix = "";
const nameOf = (id: string) => `Dr. ${id.slice(-6)}${suffix}`;
const caller: Caller = { ...actor("doctor"), assertion: "of-the-caller" };

const urlOf = () => `http://127.0.0.1:${(auth.address() as AddressInfo).port}`;
beforeAll(() => once(auth.listen(0, "127.0.0.1"), "listening"));
afterAll(() => {
  auth.closeAllConnections();
  auth.close();
});
beforeEach(() => {
  manner = "well";
  asked.length = 0;
  return () => void vi.useRealTimers();
});

/** The clock of what is kept moves by hand, that of the network by itself. */
function started(url = urlOf()) {
  vi.useFakeTimers({ toFake: ["Date"] });
  return peopleClient(url, null);
}

test("names are asked for once, in one question, and kept for a while; then a renaming shows", async () => {
  const people = started();
  const ids = [newId(), newId(), NOBODY];
  const first = await people.namesOf(caller, [...ids, ids[0] as string]);
  expect(ids.map(first)).toEqual([nameOf(ids[0] as string), nameOf(ids[1] as string), null]);
  await people.namesOf(caller, ids);
  expect(asked).toEqual([ids]);
  vi.advanceTimersByTime(61_000);
  suffix = ", renamed";
  const later = await people.namesOf(caller, ids);
  expect(later(ids[0] as string)).toBe(nameOf(ids[0] as string));
  expect(asked).toEqual([ids, ids]);
  await people.close();
});

test("two who need the same name wait for one answer, and many names go in bounded questions", async () => {
  const people = started();
  const many = Array.from({ length: MAX_NAMES + 1 }, newId);
  await Promise.all([people.namesOf(caller, many), people.namesOf(caller, many.slice(0, 5))]);
  expect(asked.map((ids) => ids.length)).toEqual([MAX_NAMES, 1]);
  await people.close();
});

test("what is no id of a person is never asked about", async () => {
  const people = started();
  const known = await people.namesOf(caller, ["service:gateway", "guest", ""]);
  expect(known("guest")).toBeNull();
  expect(asked).toEqual([]);
  await people.close();
});

test("an auth that hangs or fails gives null, and after three times nobody waits for it for a while", async () => {
  for (const how of ["never", "badly"] as const) {
    manner = how;
    asked.length = 0;
    const people = started();
    for (let turn = 0; turn < 5; turn += 1) {
      const id = newId();
      expect((await people.namesOf(caller, [id]))(id)).toBeNull();
    }
    expect(asked).toHaveLength(3);
    manner = "well";
    vi.advanceTimersByTime(6_000);
    const id = newId();
    expect((await people.namesOf(caller, [id]))(id)).toBe(nameOf(id));
    await people.close();
  }
});

test("an auth that is not there gives null", async () => {
  const people = started("http://127.0.0.1:1");
  const id = newId();
  expect((await people.namesOf(caller, [id]))(id)).toBeNull();
  await people.close();
});

test("a caller whose assertion is not believed does not silence auth for all others", async () => {
  manner = "unauthenticated";
  const people = started();
  for (let turn = 0; turn < 5; turn += 1) await people.namesOf(caller, [newId()]);
  expect(asked).toHaveLength(5);
  await people.close();
});

test("threat: a redirect takes the caller's assertion elsewhere", async () => {
  manner = "moved";
  const people = started();
  const id = newId();
  expect((await people.namesOf(caller, [id]))(id)).toBeNull();
  expect(asked).toHaveLength(1);
  await people.close();
});
