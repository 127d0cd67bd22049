import { expect, test } from "vitest";
import { faultsOf, randomPassword, strengthOf } from "./password-policy.ts";

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

test("random passwords pass, differ, and are strong", () => {
  const made = Array.from({ length: 50 }, () => randomPassword(owner));
  expect(new Set(made).size).toBe(50);
  for (const password of made) {
    expect(faultsOf(password, owner)).toEqual([]);
    expect(strengthOf(password, owner)).toBe(4);
  }
});

test("a common password scores nothing, and a longer one no less than a shorter", () => {
  expect(strengthOf("Password123!", {})).toBe(0);
  expect(strengthOf("", {})).toBe(0);
  expect(strengthOf("vK3!x", {})).toBeLessThan(strengthOf("vK3!xq9Zt#Lm", {}));
  expect(strengthOf("vK3!xq9Zt#LmWp2&", {})).toBe(4);
});
