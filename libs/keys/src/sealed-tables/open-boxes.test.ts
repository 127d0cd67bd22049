import { randomBytes, randomUUID } from "node:crypto";
import { type BoxContext, sealBox } from "@medvault/crypto";
import { afterAll, expect, test } from "vitest";
import { testKeyring } from "../../test/harness.ts";
import { Keyring } from "../keyring/keyring.ts";
import { newSubjectKey } from "../keyring/subject-keys.ts";
import { envKeyProvider } from "../providers/env-provider.ts";
import { openBoxes } from "./open-boxes.ts";
import type { OpenJob } from "./seal-codec.ts";
import { closeSealPool } from "./seal-pool.ts";

const keyring = testKeyring("records");
afterAll(() => closeSealPool());

/** Whether they are few (opened here) or many (opened by threads). */
const SIZES = [0, 1, 200, 201, 1_333];

function givenBox(by = keyring, text: string = randomUUID()): OpenJob & { text: string } {
  const id = randomUUID();
  const wrapped = newSubjectKey(by, id);
  const context: BoxContext = {
    service: "records",
    table: "search_documents",
    rowId: id,
    subjectId: id,
    rev: 7,
    typed: "{}",
    open: "{}",
  };
  return { wrapped, context, box: sealBox(by.subjectKey(wrapped, id), context, Buffer.from(text)), text };
}

const textsOf = async (by: Keyring, jobs: readonly OpenJob[]) =>
  (await openBoxes(by, jobs)).map((plaintext) => plaintext?.toString("utf8") ?? null);

test.each(SIZES)("%i boxes open, each under its own subject's key and in their order", async (count) => {
  const jobs = Array.from({ length: count }, () => givenBox());
  expect(await textsOf(keyring, jobs)).toEqual(jobs.map(({ text }) => text));
});

test("an empty plaintext is none that was refused", async () => {
  for (const count of [1, 300]) {
    const jobs = Array.from({ length: count }, () => givenBox(keyring, ""));
    expect(await textsOf(keyring, jobs)).toEqual(jobs.map(() => ""));
  }
});

test("what does not open is null, here and in a thread alike, and nothing else is concerned", async () => {
  const changed = (bytes: Buffer, at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const good = givenBox();
  const other = givenBox();
  const bad: OpenJob[] = [
    // each class of bytes of a box: format, suite, key version, nonce, commitment, ciphertext, tag
    ...[0, 1, 5, 6, 18, 50, good.box.length - 1].map((at) => ({ ...good, box: changed(good.box, at) })),
    // and of a wrapped key: format, suite, both versions, nonce, commitment, key, tag
    ...[0, 1, 5, 9, 10, 22, 54, 101].map((at) => ({ ...good, wrapped: changed(good.wrapped, at) })),
    { ...good, box: good.box.subarray(0, 65) },
    { ...good, box: Buffer.alloc(0) },
    { ...good, wrapped: good.wrapped.subarray(0, 3) },
    { ...good, wrapped: other.wrapped },
    { ...good, box: other.box },
    { ...good, context: { ...good.context, rev: 8 } },
    { ...good, context: { ...good.context, rowId: other.context.rowId } },
    givenBox(testKeyring("records")),
  ];
  expect(await textsOf(keyring, bad)).toEqual(bad.map(() => null));
  const many = Array.from({ length: 20 }, () => [...bad, good]).flat();
  expect(many.length).toBeGreaterThan(201);
  expect(await textsOf(keyring, many)).toEqual(many.map((job) => (job === good ? good.text : null)));
});

test("what lies under a retired service key, or under one that had its number before a join, opens", async () => {
  const [first, second] = [randomBytes(32), randomBytes(32)];
  const both = new Keyring(
    "records",
    envKeyProvider(
      JSON.stringify({
        service: "records",
        versions: [
          { version: 1, state: "retired", key: first.toString("base64"), createdAt: "2026-01-31T00:00:00Z" },
          {
            version: 2,
            state: "active",
            key: second.toString("base64"),
            createdAt: "2026-01-31T00:00:00Z",
            formerVersion: 1,
          },
        ],
      }),
      "records",
    ),
  );
  const by = [testKeyring("records", first), testKeyring("records", second), both];
  for (const count of [30, 300]) {
    const jobs = Array.from({ length: count }, (_, at) => givenBox(by[at % 3]));
    expect(await textsOf(both, jobs)).toEqual(jobs.map(({ text }) => text));
  }
});

test("opening under way when the threads are closed fails as a whole, and the next call starts new ones", async () => {
  const jobs = Array.from({ length: 2_000 }, () => givenBox());
  const opening = openBoxes(keyring, jobs);
  await closeSealPool();
  await expect(opening).rejects.toMatchObject({ code: "unavailable", kind: "unavailable" });
  expect(await openBoxes(keyring, jobs)).toHaveLength(2_000);
});
