import { expect, test } from "vitest";
import {
  createPasswordCheck,
  type PasswordOwner,
  type PolicyKind,
  randomPassword,
  wordsOf,
} from "./password-policy.ts";
import { commonWords } from "./word-table.store.ts";

const faultsOf = async (password: string, owner: PasswordOwner, kind: PolicyKind = "composition") =>
  (await createPasswordCheck(kind, commonWords, null).rate(password, owner)).faults;

const owner = { username: "amelie", email: "a.durand@clinic.example" };

test.each([
  ["Tr0ub4dor&Zq-Ve", []],
  ["shQrt1A!", ["too_short"]],
  ["no-upper-zebra-7x", ["needs_upper"]],
  ["NO-LOWER-ZEBRA-7X", ["needs_lower"]],
  ["No-Digit-Herein", ["needs_digit"]],
  ["NoSpecial7Herein", ["needs_special"]],
  ["Password123!", ["common_password"]],
  ["P@ssw0rd2024!!", ["common_password"]],
  ["Welcome-2-Hospital", ["common_password"]],
  ["!!Summer2026!!", ["common_password"]],
  ["g00dPa$$w0rD", ["common_password"]],
  ["password123!Aa", ["common_password"]],
  ["1qaz@WSX3edc$", ["common_pattern", "common_password"]],
  ["!nogarD-2019!", ["common_password"]],
  ["Monkey!Monkey!7", ["common_password"]],
  ["Xk9!abcdeQm2", ["common_pattern"]],
  ["Xk9!98765Qmz", ["common_pattern"]],
  ["Xk9!aaaaQm2z", ["common_pattern"]],
  ["aB3!aB3!aB3!", ["common_pattern", "common_password"]],
  ["xX7-Amelie-vn", ["like_username", "common_password"]],
  ["xX7-am3l1e-vn", ["like_username", "common_password"]],
  ["xX7-eilema-vn", ["like_username", "common_password"]],
  ["7!xA.Durand-vq", ["like_email"]],
] as const)("the policy answers %s with %j", async (password, faults) => {
  expect(await faultsOf(password, owner)).toEqual(faults);
});

test("characters are counted, not bytes, and all of them", async () => {
  expect(await faultsOf("Ünïcödé-Wörd7-Zq", {})).toEqual([]);
  expect(await faultsOf("Qxïvödé-7Wö", {})).toEqual(["too_short"]);
});

test("a password made of one's own name is refused, in whatever pieces", async () => {
  const johnny = { username: "johnnysmith", email: "j.smith@clinic.example" };
  expect(await faultsOf("Johnny!Smith99x", johnny)).toEqual(["like_username", "common_password"]);
  expect(await faultsOf("Htims_Yjohnny_77!", johnny)).toContain("common_password");
});

test("threat: a common word, or one's own name, in what the other policy takes", async () => {
  const johnny = { username: "johnnysmith" };
  for (const kind of ["composition", "nist"] as const) {
    expect(await faultsOf("password123!Aa", {}, kind), kind).toContain("common_password");
    expect(await faultsOf("Johnny!Smith99x", johnny, kind), kind).toContain("like_username");
    expect(await faultsOf("Johnny!Smith99x", { ...johnny, mfaEnabled: true }, kind)).toContain(
      "like_username",
    );
  }
});

test("a password made of the product's name or the host's is refused, in whatever spelling", async () => {
  const here = wordsOf("https://records.zurbrieg-klinik.example:8443");
  expect(here).toEqual(["medvault", "records", "zurbrieg", "klinik", "example"]);
  for (const kind of ["composition", "nist"] as const) {
    const check = createPasswordCheck(kind, commonWords, null, here);
    for (const password of ["M3dV4ult-2026!!", "Zurbrieg-2026-!!", "Klinik!Zurbrieg7"]) {
      expect((await check.rate(password, {})).faults, password).toContain("common_password");
    }
    expect((await check.rate("Tr0ub4dor&Zq-Ve7", {})).faults).toEqual([]);
  }
});

test("random passwords pass under both policies and differ", async () => {
  const made = Array.from({ length: 50 }, () => randomPassword(owner));
  expect(new Set(made).size).toBe(50);
  for (const password of made) {
    expect([...(await faultsOf(password, owner)), ...(await faultsOf(password, owner, "nist"))]).toEqual([]);
  }
});

test.each([
  ["quietly eleven otters", {}, []],
  ["ninet-yq-otter", {}, ["too_short"]],
  ["otters-9", { mfaEnabled: true }, []],
  ["otters-", { mfaEnabled: true }, ["too_short"]],
  ["passwordpassword", {}, ["common_password"]],
  ["my password is amelie so", {}, ["like_username", "common_password"]],
  ["zxcvbn zxcvbn otters", {}, ["common_pattern", "common_password"]],
] as const)("the NIST policy answers %s (%j) with %j", async (password, more, faults) => {
  expect(await faultsOf(password, { ...owner, ...more }, "nist")).toEqual(faults);
});

test("256 characters are taken by both policies, and none of them is left out", async () => {
  const long = Array.from(
    { length: 64 },
    (_, i) => `${String.fromCharCode(97 + ((i * 7) % 26))}Q${i % 10}-`,
  ).join("");
  expect(long.length).toBeGreaterThanOrEqual(190);
  expect(await faultsOf(long, owner)).toEqual([]);
  expect(await faultsOf(long, owner, "nist")).toEqual([]);
  expect(await faultsOf(`${long}aaaa`, owner)).toEqual(["common_pattern"]);
});

test("a password that every list holds is common in whatever case", async () => {
  expect(await faultsOf("TrustNo1TrustNo1", {}, "nist")).toContain("common_password");
  expect(await faultsOf("Jordan23", { mfaEnabled: true }, "nist")).toContain("common_password");
  expect(await faultsOf("1Q2w3e4r5t6y", {}, "nist")).toContain("common_password");
});
