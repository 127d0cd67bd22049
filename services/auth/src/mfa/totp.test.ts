import { existsSync, readFileSync } from "node:fs";
import { generateSync } from "otplib";
import { expect, test } from "vitest";
import { newRecoveryCodes, readRecoveryCode } from "./recovery-code.ts";
import { newTotpSecret, totpStep } from "./totp.ts";

// RFC 6238, appendix B, SHA-1, secret "12345678901234567890"; the last six of eight digits.
const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
test.each([
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
  [20_000_000_000, "353130"],
])("at %i s the code is %s (RFC 6238)", (seconds, code) => {
  const step = Math.floor(seconds / 30);
  expect(totpStep(SECRET, code, new Date(seconds * 1000))).toBe(step);
  expect(totpStep(SECRET, code, new Date((seconds + 30) * 1000))).toBe(step);
  expect(totpStep(SECRET, code, new Date((seconds - 30) * 1000))).toBe(step);
  expect(totpStep(SECRET, code, new Date((seconds + 60) * 1000))).toBeNull();
  if (seconds >= 60) expect(totpStep(SECRET, code, new Date((seconds - 60) * 1000))).toBeNull();
});

test("a code may be spaced, hyphenated or full-width, as people and keyboards write it", () => {
  for (const code of [
    "287 082",
    " 287\u00a0082\t",
    "287-082",
    "2 8 7 0 8 2",
    "287\u2013082",
    "\uff12\uff18\uff17082",
  ])
    expect(totpStep(SECRET, code, new Date(59_000)), JSON.stringify(code)).toBe(1);
});

test("what is no six digits is no code", () => {
  for (const code of ["", "28708", "2870820", "28708a", "287_082", "287 08"]) {
    expect(totpStep(SECRET, code, new Date(59_000))).toBeNull();
  }
});

test("secrets hold 160 bits, recovery codes 80, and no two are alike", () => {
  expect(newTotpSecret()).toMatch(/^[A-Z2-7]{32}$/);
  const codes = newRecoveryCodes();
  expect(new Set(codes).size).toBe(10);
  for (const code of codes) {
    expect(code).toMatch(/^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/);
    expect(readRecoveryCode(code.toLowerCase().replaceAll("0", "o"))).toBe(code.replaceAll("-", ""));
  }
  expect(readRecoveryCode("123456")).toBeNull();
});

// RFC 6238, appendix B, whole: three digests, eight digits; where the folder is there.
const published = publishedVectors("rfc-6238-totp.txt");
test.runIf(published.length > 0)("otplib makes every code of RFC 6238 as it was published", () => {
  expect(published.length).toBeGreaterThanOrEqual(18);
  for (const { TIME = "", TOTP, MODE = "", SECRET = "" } of published) {
    const algorithm = MODE.toLowerCase() as "sha1" | "sha256" | "sha512";
    const secret = new TextEncoder().encode(SECRET);
    expect(generateSync({ secret, epoch: Number(TIME), digits: 8, algorithm })).toBe(TOTP);
  }
});

/** Blocks of `NAME = value` lines. */
function publishedVectors(name: string): Record<string, string>[] {
  const file = new URL(`../../../../../shared/data/otp/${name}`, import.meta.url);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split(/\n\s*\n/)
    .map((block) =>
      Object.fromEntries([...block.matchAll(/^(\w+) = (.+)$/gm)].map(([, key, value]) => [key, value])),
    )
    .filter((vector) => vector.TOTP !== undefined);
}
