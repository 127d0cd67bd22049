import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { event, events } from "../../test/log-harness.ts";
import { createBodySeal } from "./body-seal.ts";
import { columnsOf, eventOf, makeEntries, SALT_BYTES, splitBody } from "./entry.ts";

test("a leaf is SHA-256 of 32 fresh random bytes and the canonical event", () => {
  const same = event(1);
  const [first, second] = makeEntries([same, same]);
  const { salt, canonicalEvent } = splitBody(first?.body ?? Buffer.alloc(0)) ?? {};
  expect(salt).toHaveLength(SALT_BYTES);
  expect(JSON.parse(canonicalEvent?.toString() ?? "")).toEqual(same);
  expect(canonicalEvent?.toString()).toMatch(/^\{"data":\{"action":/);
  const digest = createHash("sha256")
    .update(salt ?? "")
    .update(canonicalEvent ?? "")
    .digest();
  expect(first?.leaf).toEqual(digest);
  expect(second?.leaf).not.toEqual(first?.leaf);
});

test("an event comes out of its body only with its own leaf", () => {
  const [entry, other] = makeEntries(events(2));
  expect(eventOf(entry?.body ?? Buffer.alloc(0), entry?.leaf ?? Buffer.alloc(0))).toMatchObject({
    producerseq: 1,
  });
  expect(eventOf(entry?.body ?? Buffer.alloc(0), other?.leaf ?? Buffer.alloc(0))).toBeNull();
  const noise = Buffer.alloc(64);
  expect(eventOf(noise, createHash("sha256").update(noise).digest())).toBeNull();
  expect(splitBody(Buffer.alloc(32))).toBeNull();
});

test("a sealed body opens at its own place, for its own event, under its own key, and unchanged", () => {
  const [seal, stranger] = [createBodySeal(Buffer.alloc(32, 1)), createBodySeal(Buffer.alloc(32, 2))];
  const id = "0197a000-0000-7000-8000-000000000001";
  const sealed = seal.seal(7, id, Buffer.from("body"));
  expect(seal.open(7, id, sealed)?.toString()).toBe("body");
  expect(seal.open(8, id, sealed)).toBeNull();
  expect(seal.open(7, id.replace("1", "2"), sealed)).toBeNull();
  expect(stranger.open(7, id, sealed)).toBeNull();
  expect(seal.open(7, id, sealed.subarray(0, -1))).toBeNull();
  expect(seal.open(7, id, Buffer.alloc(0))).toBeNull();
});

test("columns say what the event says, also for an event of the system itself", () => {
  expect(
    columnsOf(event(3, { source: "/medvault/gateway/a1", data: { actor: null, from: null } })),
  ).toMatchObject({
    producer: "gateway/a1",
    seq: 3,
    actorId: null,
    actorRole: null,
    ip: null,
    outcome: "success",
  });
});
