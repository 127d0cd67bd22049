import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { plainPath, plainProof, plainRoot } from "../../test/plain-tree.ts";
import { type Edge, EMPTY_EDGE, extend, partialTiles, rootOf, type Tile } from "./edge.ts";
import { leafHash } from "./hash.ts";
import { consistencyProof, inclusionProof, type ReadTile, rootFromTiles } from "./proof.ts";
import { consistencyHolds, rootFromInclusion } from "./proof-check.ts";

/** The eight leaves and roots of the reference tree of certificate-transparency's own tests. */
const REFERENCE_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"].map((hex) =>
  Buffer.from(hex, "hex"),
);
const REFERENCE_LAST = Buffer.from("606162636465666768696a6b6c6d6e6f", "hex");
const REFERENCE_ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const entries = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => Buffer.from(`entry ${at}`));

/** Grows a tree in uneven steps and keeps every tile that it gives out, as the store does. */
function grown(leaves: readonly Buffer[], step: number): { edge: Edge; readTile: ReadTile } {
  const tiles = new Map<string, readonly Buffer[]>();
  const keep = (tile: Tile) => tiles.set(`${tile.level}/${tile.index}`, tile.hashes);
  let edge = EMPTY_EDGE;
  for (let at = 0; at < leaves.length; at += step) {
    const next = extend(edge, leaves.slice(at, at + step).map(leafHash));
    for (const tile of next.full) keep(tile);
    edge = next.edge;
  }
  for (const tile of partialTiles(edge)) keep(tile);
  const readTile: ReadTile = async (level, index, width) => {
    const hashes = tiles.get(`${level}/${index}`) ?? [];
    if (hashes.length < width) throw new Error("no such tile");
    return hashes.slice(0, width);
  };
  return { edge, readTile };
}

test("the reference tree of RFC 6962 has the published roots", () => {
  const leaves = [...REFERENCE_LEAVES, REFERENCE_LAST];
  for (const [at, root] of REFERENCE_ROOTS.entries()) {
    expect(rootOf(extend(EMPTY_EDGE, leaves.slice(0, at + 1).map(leafHash)).edge).toString("hex")).toBe(root);
  }
  expect(rootOf(EMPTY_EDGE).toString("hex")).toMatch(/^e3b0c442/);
});

test("roots agree with a second, plain implementation at every size up to 300 and around tile borders", () => {
  const leaves = entries(66_000);
  for (const size of [
    ...Array.from({ length: 301 }, (_, n) => n),
    511,
    512,
    513,
    65_535,
    65_536,
    65_537,
    70_000,
  ]) {
    const some = leaves.slice(0, size);
    expect(rootOf(grown(some, 97).edge).equals(plainRoot(some))).toBe(true);
  }
});

test("a tree of 70,000 has the tiles that C2SP tlog-tiles counts for it", () => {
  const { full, edge } = extend(EMPTY_EDGE, entries(70_000).map(leafHash));
  expect(full.filter((tile) => tile.level === 0)).toHaveLength(273);
  expect(full.filter((tile) => tile.level === 1)).toHaveLength(1);
  expect(partialTiles(edge).map(({ level, index, hashes }) => [level, index, hashes.length])).toEqual([
    [0, 273, 112],
    [1, 1, 17],
    [2, 0, 1],
  ]);
});

test("a tree of 256 is a full tile and a partial one above it", () => {
  const { full, edge } = extend(EMPTY_EDGE, entries(256).map(leafHash));
  expect(full.map(({ level, index }) => [level, index])).toEqual([[0, 0]]);
  expect(partialTiles(edge).map(({ level, hashes }) => [level, hashes.length])).toEqual([[1, 1]]);
});

test("extending leaves the given edge as it was", () => {
  const before = extend(EMPTY_EDGE, entries(255).map(leafHash)).edge;
  const root = rootOf(before);
  extend(before, entries(3).map(leafHash));
  expect(before.size).toBe(255);
  expect(rootOf(before).equals(root)).toBe(true);
});

test("inclusion proofs from tiles are the plain ones, and lead to the root", async () => {
  for (const size of [1, 2, 3, 7, 8, 255, 256, 257, 600, 66_000]) {
    const leaves = entries(size);
    const { readTile } = grown(leaves, 1_000);
    const root = plainRoot(leaves);
    for (const index of new Set([0, 1, 254, 255, 256, size >> 1, size - 2, size - 1])) {
      if (index < 0 || index >= size) continue;
      const proof = await inclusionProof(readTile, index, size);
      if (size <= 600) expect(proof).toEqual(plainPath(index, leaves));
      expect(rootFromInclusion(leafHash(leaves[index] as Buffer), index, size, proof)?.equals(root)).toBe(
        true,
      );
    }
  }
});

test("consistency proofs from tiles are the plain ones, and hold; any changed bit breaks them", async () => {
  const leaves = entries(700);
  const { readTile } = grown(leaves, 64);
  for (const to of [1, 2, 3, 8, 255, 256, 257, 511, 512, 700]) {
    for (const from of new Set([1, 2, 3, 6, 128, 255, 256, 257, to - 1, to])) {
      if (from < 1 || from > to) continue;
      const [older, newer] = [plainRoot(leaves.slice(0, from)), plainRoot(leaves.slice(0, to))];
      const proof = await consistencyProof(readTile, from, to);
      expect(proof).toEqual(plainProof(from, leaves.slice(0, to)));
      expect(consistencyHolds(from, older, to, newer, proof)).toBe(true);
      for (const hash of proof) {
        hash[0] = (hash[0] ?? 0) ^ 1;
        expect(consistencyHolds(from, older, to, newer, proof)).toBe(false);
        hash[0] = (hash[0] ?? 0) ^ 1;
      }
      expect(consistencyHolds(from, newer, to, older, proof)).toBe(from === to);
    }
  }
});

test("the root of an earlier size is read from the tiles of a later one", async () => {
  const leaves = entries(1_000);
  const { readTile } = grown(leaves, 300);
  for (const size of [0, 1, 255, 256, 700, 1_000]) {
    expect((await rootFromTiles(readTile, size)).equals(plainRoot(leaves.slice(0, size)))).toBe(true);
  }
});

test("proofs outside the tree are refused", async () => {
  const { readTile } = grown(entries(5), 5);
  await expect(inclusionProof(readTile, 5, 5)).rejects.toThrow(RangeError);
  await expect(inclusionProof(readTile, -1, 5)).rejects.toThrow(RangeError);
  await expect(consistencyProof(readTile, 0, 5)).rejects.toThrow(RangeError);
  await expect(consistencyProof(readTile, 6, 5)).rejects.toThrow(RangeError);
});

interface InclusionCase {
  leafIdx: number;
  treeSize: number;
  root: string;
  leafHash: string;
  proof: string[] | null;
  desc: string;
  wantErr: boolean;
}
interface ConsistencyCase {
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  desc: string;
  wantErr: boolean;
}
const shared = new URL("../../../../../shared/data/merkle/", import.meta.url);
const bytes = (base64: string) => Buffer.from(base64, "base64");
const cases = <T>(name: string): T[] => JSON.parse(readFileSync(new URL(name, shared), "utf8")) as T[];

test.runIf(existsSync(shared))("every RFC 6962 case of transparency-dev ends as it must", () => {
  for (const c of cases<InclusionCase>("rfc6962_inclusion.json")) {
    const root = rootFromInclusion(bytes(c.leafHash), c.leafIdx, c.treeSize, (c.proof ?? []).map(bytes));
    expect(root?.equals(bytes(c.root)) ?? false, c.desc).toBe(!c.wantErr);
  }
  for (const c of cases<ConsistencyCase>("rfc6962_consistency.json")) {
    const proof = (c.proof ?? []).map(bytes);
    const holds = consistencyHolds(c.size1, bytes(c.root1), c.size2, bytes(c.root2), proof);
    expect(holds, c.desc).toBe(!c.wantErr);
  }
});
