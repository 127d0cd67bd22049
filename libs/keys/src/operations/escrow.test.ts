import { expect, test } from "vitest";
import { ShareInvalid, SharesOfAnotherSet, SharesTooFew } from "../errors.ts";
import { combineShares, type Share, splitFiles } from "./escrow.ts";

const files = {
  "records.json": JSON.stringify({ service: "records", key: "AAAA".repeat(11) }),
  "files.json": "{}",
};
const texts = (shares: readonly Share[]): string[] => shares.map((share) => JSON.stringify(share));

/** Every choice of k of the items. */
function choices<T>(items: readonly T[], k: number): T[][] {
  if (k === 0) return [[]];
  return items.flatMap((item, at) => choices(items.slice(at + 1), k - 1).map((rest) => [item, ...rest]));
}

test("any three of five shares, and four, and all, in any order, give the files back to the letter", async () => {
  const shares = await splitFiles(files, 5, 3);
  for (const k of [3, 4, 5]) {
    for (const some of choices(shares, k)) expect(await combineShares(texts(some).reverse())).toEqual(files);
  }
});

test("too few are refused, also when one is there twice, or says that fewer are enough", async () => {
  const shares = await splitFiles(files, 5, 3);
  for (const some of choices(shares, 2))
    await expect(combineShares(texts(some))).rejects.toThrow(SharesTooFew);
  const [one, two] = shares;
  if (!one || !two) throw new Error("no shares");
  await expect(combineShares(texts([one, two, one]))).rejects.toThrow(SharesTooFew);
  await expect(combineShares([])).rejects.toThrow(SharesTooFew);
  const lying = [one, two].map((share) => ({ ...share, threshold: 2 }));
  await expect(combineShares(texts(lying))).rejects.toThrow(ShareInvalid);
});

test("shares of another set are refused, also when they are dressed up as ours", async () => {
  const [one, two] = await splitFiles(files, 5, 3);
  const [, , three] = await splitFiles(files, 5, 3);
  if (!one || !two || !three) throw new Error("no shares");
  await expect(combineShares(texts([one, two, three]))).rejects.toThrow(SharesOfAnotherSet);
  const dressed = { ...three, set: one.set, sha256: one.sha256 };
  await expect(combineShares(texts([one, two, dressed]))).rejects.toThrow(ShareInvalid);
});

test("a changed share is refused, wherever it was changed, and nothing of it is said", async () => {
  const [one, two, three] = await splitFiles(files, 3, 3);
  if (!one || !two || !three) throw new Error("no shares");
  const bytes = Buffer.from(three.share, "base64");
  for (const at of [0, 31, 40, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const bad = { ...three, share: changed.toString("base64") };
    await expect(combineShares(texts([one, two, bad])), String(at)).rejects.toThrow(ShareInvalid);
  }
  const shorter = { ...three, share: bytes.subarray(0, -1).toString("base64") };
  await expect(combineShares(texts([one, two, shorter]))).rejects.toThrow(ShareInvalid);
  for (const text of ["", "{", "[]", JSON.stringify({ ...three, format: "medvault-key-share/2" })]) {
    await expect(combineShares([...texts([one, two]), text])).rejects.toThrow(ShareInvalid);
  }
});

test("a share says what it holds and nothing of it, and sets and thresholds have their limits", async () => {
  const shares = await splitFiles(files, 5, 3);
  for (const text of texts(shares)) expect(text).not.toContain("AAAA");
  expect(shares[0]).toMatchObject({
    number: 1,
    shares: 5,
    threshold: 3,
    holds: ["files.json", "records.json"],
  });
  for (const [n, k] of [
    [1, 1],
    [3, 1],
    [2, 3],
    [256, 3],
  ] as const)
    await expect(splitFiles(files, n, k)).rejects.toThrow(RangeError);
});
