// Where what an image is made of comes from, and what of this repository gets into it.
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { root } from "../lib/paths.mjs";

const read = (file: string): string => readFileSync(path.join(root, file), "utf8");

test("every package is one version of the registry with its hash, and runs nothing when it is installed", () => {
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { link?: boolean; integrity?: string; resolved?: string; version?: string }>;
  };
  const foreign = Object.entries(packages).filter(([name]) => /(^|\/)node_modules\//.test(name));
  const unsure = foreign.filter(
    ([, { link, integrity, resolved, version }]) =>
      // The lock names no address: which registry is asked is npm's own setting.
      !link && !(integrity?.startsWith("sha512-") && version && resolved === undefined),
  );
  expect(foreign.length).toBeGreaterThan(100);
  expect(unsure).toEqual([]);
  expect(read(".npmrc")).toMatch(/^ignore-scripts=true$/m);
});

test("of this repository an image gets what is on a list: no source control data, test, demo or secret", () => {
  const lines = read(".dockerignore")
    .split("\n")
    .filter((line) => line && !line.startsWith("#"));
  expect(lines[0]).toBe("*");
  const letIn = lines.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  expect(letIn.length).toBeGreaterThan(3);
  // Whole folders of ours: those that run. Of the others single files.
  expect(letIn.filter((name) => /\*|(^|\/)\.(git|data|env)|^(dev|e2e|bench|deploy)$/.test(name))).toEqual([]);
  expect(lines).toEqual(expect.arrayContaining(["**/*.test.ts", "**/test", "libs/testing/src"]));
});
