import { expect, test } from "vitest";
import { createPasswordHasher, createSlots } from "./password-hasher.service.ts";

test("a password of 73 bytes is not its prefix of 72", async () => {
  const hasher = await createPasswordHasher({ concurrent: 2, waitingMax: 10 });
  const long = `${"x".repeat(72)}y`;
  const hash = await hasher.hash(long);
  expect(await hasher.verify(hash, long)).toBe(true);
  expect(await hasher.verify(hash, long.slice(0, 72))).toBe(false);
  expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,p=1,t=2\$|^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test("no account at all costs a verification and answers no", async () => {
  const hasher = await createPasswordHasher({ concurrent: 1, waitingMax: 10 });
  const hash = await hasher.hash("one");
  // In processor time, which other processes do not change.
  const cost = async (subject: string | null): Promise<number> => {
    const before = process.cpuUsage();
    for (let i = 0; i < 5; i++) expect(await hasher.verify(subject, "two")).toBe(false);
    return process.cpuUsage(before).user;
  };
  expect((await cost(null)) / (await cost(hash))).toBeGreaterThan(0.5);
});

test("hashes that cost less are known as such, those that cost more are left alone", async () => {
  const small = await createPasswordHasher({ concurrent: 1, waitingMax: 1 });
  const cost = { memoryKiB: 24_576, passes: 3, lanes: 1 };
  const large = await createPasswordHasher({ concurrent: 1, waitingMax: 1, cost });
  expect(small.isOutdated("$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2g")).toBe(true);
  expect(small.isOutdated("$argon2i$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2g")).toBe(true);
  const [cheap, dear] = [await small.hash("x"), await large.hash("x")];
  expect(dear).toMatch(/^\$argon2id\$v=19\$m=24576,p=1,t=3\$/);
  expect([small.isOutdated(cheap), small.isOutdated(dear)]).toEqual([false, false]);
  expect([large.isOutdated(cheap), large.isOutdated(dear)]).toEqual([true, false]);
  expect(await small.verify(dear, "x")).toBe(true);
});

test("no more than the allowed number run at once, and what cannot wait is refused", async () => {
  const slots = createSlots(2, 3);
  let running = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => slots(work)));
  expect(most).toBe(2);
  expect(answers.filter((a) => a.status === "rejected")).toHaveLength(3);
  expect(answers.find((a) => a.status === "rejected")).toMatchObject({ reason: { code: "unavailable" } });
  await Promise.all([slots(work), slots(work), slots(work)]); // every slot came back
});
