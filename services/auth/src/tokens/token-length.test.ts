import { loadConfig } from "@medvault/service-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";
import { AuthConfig } from "../config.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

test.each([
  [16, 22, 16],
  [64, 86, 32],
])(
  "tokens of %i bytes and codes of %i characters are given out and taken",
  async (bytes, length, characters) => {
    h.ctx.settings.tokenBytes = bytes;
    h.ctx.settings.recoveryCodeCharacters = characters;
    const person = await h.person("doctor");
    const { api, tokens } = await h.client(person);
    expect(tokens.refreshToken).toHaveLength(length);
    const made = await api.post<{ recoveryCodes: string[] }>("/v1/auth/mfa/recovery-codes", {
      password: PASSWORD,
      code: h.code(person, 1),
    });
    const [code = ""] = made.body.recoveryCodes;
    expect(code.replaceAll("-", "")).toHaveLength(characters);
    const half = await h
      .guest()
      .post<Answer>("/v1/auth/login", { identifier: person.account.username, password: PASSWORD });
    expect(half.body.mfaToken).toHaveLength(length);
    const whole = await h
      .guest()
      .post<Answer>("/v1/auth/mfa/challenge", { mfaToken: half.body.mfaToken, code });
    expect(whole.status).toBe(200);
    const refreshed = await h.guest().post("/v1/auth/refresh", { refreshToken: whole.body.refreshToken });
    expect(refreshed.status).toBe(200);
  },
);

test("settings that would make something guessable are refused", () => {
  expect(() =>
    loadConfig(AuthConfig, {
      MEDVAULT_TOKEN_BITS: "127",
      MEDVAULT_RECOVERY_CODE_BITS: "79",
      MEDVAULT_ARGON2_MEMORY_KIB: "19455",
    }),
  ).toThrow(
    /(?=.*MEDVAULT_TOKEN_BITS \(must be a whole number from 128 to 512\))(?=.*RECOVERY_CODE_BITS \(must be a whole number from 80 )(?=.*ARGON2_MEMORY_KIB \(must be a whole number from 19456 )/,
  );
});
