import { expect, test } from "vitest";
import { newCode, newPassword, readCode } from "./document-code.ts";
import { documentPasswordFaults } from "./document-password.ts";

const ADA = ["Ada", "Marsh-O'Neil", "1971-02-03"];

test.each([
  ["too_short", "Kj8-vanilla"],
  ["too_long", "ключ".repeat(20)],
  ["common_pattern", "zzzzzzzzzzzzzzz"],
  ["common_pattern", "abcabcabcabcabc"],
  ["common_pattern", "1qaz2wsx3edc4rfv"],
  ["common_password", "Passw0rd!Passw0rd!"],
  ["common_password", "letmein-Welcome-99"],
  ["like_username", "AdaMarshONeil71"],
  ["like_username", "marsh02-03-1971"],
])("a password is refused as %s: %s", (fault, password) => {
  expect(documentPasswordFaults(password, ADA)).toEqual([fault]);
});

test("what nobody guesses is taken: passphrases in any script, random ones, and those that are made here", () => {
  for (const password of [
    "correct horse battery staple",
    "тихий дом у реки",
    "kD9#vw2!qLx7",
    "静かな家の古い鍵は海にある",
  ])
    expect(documentPasswordFaults(password, ADA), password).toEqual([]);
  for (let at = 0; at < 200; at += 1) expect(documentPasswordFaults(newPassword(), ADA)).toEqual([]);
});

test("threat: a password is made to cost time; a long one is judged at once", () => {
  for (const password of ["ab".repeat(60), "a1".repeat(20) + "b2".repeat(40), `${"x".repeat(100)}!`])
    expect(documentPasswordFaults(password, ADA)).toEqual(["common_pattern"]);
});

test("a code is read however it is typed, and nothing else is a code", () => {
  const codes = new Set(Array.from({ length: 500 }, newCode));
  expect(codes.size).toBe(500);
  for (const code of codes) {
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{5}-){3}[0-9A-HJKMNP-TV-Z]{5}$/);
    const plain = code.replaceAll("-", "");
    for (const typed of [code, ` ${code.toLowerCase()} `, plain.replaceAll("1", "l").replaceAll("0", "o")])
      expect(readCode(typed)).toBe(plain);
  }
  for (const typed of ["", "7K2QW-0F3NT-XD5VA-H9RZ", "7K2QW-0F3NT-XD5VA-H9RZMM", "7K2QW-0F3NT-XD5VA-H9RZU"])
    expect(readCode(typed), typed).toBeNull();
});
