import { expect, test } from "vitest";
import { faultsOf, randomPassword } from "./password-policy.ts";

const owner = { username: "amelie", email: "a.durand@clinic.example" };

test.each([
  ["Tr0ub4dor&Zq", []],
  ["short1A!", ["too_short"]],
  ["no-upper-case-7x", ["needs_upper"]],
  ["NO-LOWER-CASE-7X", ["needs_lower"]],
  ["No-Digit-Herein", ["needs_digit"]],
  ["NoSpecial7Herein", ["needs_special"]],
  ["Password123!", ["common_password"]],
  ["P@ssw0rd2024!!", ["common_password"]],
  ["Welcome-2-Hospital", ["common_password"]],
  ["!!Summer2026!!", ["common_password"]],
  ["Xk9!abcdeQm2", ["common_pattern"]],
  ["Xk9!98765Qmz", ["common_pattern"]],
  ["Xk9!aaaaQm2z", ["common_pattern"]],
  ["aB3!aB3!aB3!", ["common_pattern"]],
  ["xX7-Amelie-vn", ["like_username"]],
  ["xX7-am3l1e-vn", ["like_username"]],
  ["xX7-eilema-vn", ["like_username"]],
  ["7!xA.Durand-vq", ["like_email"]],
] as const)("the policy answers %s with %j", (password, faults) => {
  expect(faultsOf(password, owner)).toEqual(faults);
});

test("characters are counted, not bytes, and all of them", () => {
  expect(faultsOf("Ünïcödé-Wörd7", {})).toEqual([]);
  expect(faultsOf("Ünïcödé-7Wö", {})).toEqual(["too_short"]);
});

test("random passwords pass under both policies and differ", () => {
  const made = Array.from({ length: 50 }, () => randomPassword(owner));
  expect(new Set(made).size).toBe(50);
  for (const password of made) {
    expect([...faultsOf(password, owner), ...faultsOf(password, owner, "nist")]).toEqual([]);
  }
});

test.each([
  ["correct horse battery", {}, []],
  ["quietly eleven otters", {}, []],
  ["nineteen-otter", {}, ["too_short"]],
  ["otters-9", { mfaEnabled: true }, []],
  ["otters-", { mfaEnabled: true }, ["too_short"]],
  ["passwordpassword", {}, ["common_password"]],
  ["my password is amelie so", {}, ["like_username"]],
  ["zxcvbn zxcvbn otters", {}, ["common_pattern"]],
] as const)("the NIST policy answers %s (%j) with %j", (password, more, faults) => {
  expect(faultsOf(password, { ...owner, ...more }, "nist")).toEqual(faults);
});

test("256 characters are taken by both policies, and none of them is left out", () => {
  const long = Array.from(
    { length: 64 },
    (_, i) => `${String.fromCharCode(97 + ((i * 7) % 26))}Q${i % 10}-`,
  ).join("");
  expect(long.length).toBeGreaterThanOrEqual(190);
  expect(faultsOf(long, owner)).toEqual([]);
  expect(faultsOf(long, owner, "nist")).toEqual([]);
  expect(faultsOf(`${long}aaaa`, owner)).toEqual(["common_pattern"]);
});

test("a password that every list holds is common in whatever case", () => {
  expect(faultsOf("TrustNo1TrustNo1", {}, "nist")).toContain("common_password");
  expect(faultsOf("Jordan23", { mfaEnabled: true }, "nist")).toContain("common_password");
  expect(faultsOf("1Q2w3e4r5t6y", {}, "nist")).toContain("common_password");
});
