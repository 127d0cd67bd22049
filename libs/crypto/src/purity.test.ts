import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import * as errors from "./errors.ts";

const FOLDER = new URL("./", import.meta.url);
const sources = readdirSync(FOLDER).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));

/** Only these are imported: what needs node:fs, node:http and the like does not belong here. */
const ALLOWED = new Set(["node:crypto", "node:stream", "canonicalize"]);

test("the library is pure: no file of it imports anything that reads, writes, asks the time or the environment", () => {
  expect(sources.length).toBeGreaterThan(15);
  for (const name of sources) {
    const text = readFileSync(new URL(name, FOLDER), "utf8");
    for (const [, from = ""] of text.matchAll(/\bfrom "([^"]+)"/g)) {
      expect(from.startsWith("./") || ALLOWED.has(from), `${name} imports ${from}`).toBe(true);
    }
    expect(text, name).not.toMatch(/Date\.now|new Date\(\)|process\.|Math\.random|setTimeout/);
  }
});

test("every refusal has a class, a name, a code and a fixed message of its own", () => {
  const refusals = Object.values(errors)
    .filter((value) => typeof value === "function" && value.length <= 0)
    .flatMap((Refusal) => {
      try {
        return [new (Refusal as new () => errors.CryptoRefusal)()];
      } catch {
        return [];
      }
    });
  const own = refusals.filter((refusal) => refusal.code !== undefined);
  expect(own.length).toBeGreaterThan(20);
  for (const what of ["code", "name", "message"] as const) {
    expect(new Set(own.map((refusal) => refusal[what])).size, what).toBe(own.length);
  }
});
