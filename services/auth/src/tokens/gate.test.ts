import { expect, test } from "vitest";
import { type Account, newAccount } from "../accounts/account.ts";
import { newSession, type Session } from "../sessions/session.ts";
import { admit, type Grant } from "./gate.ts";

const NOW = new Date("2026-01-01T00:00:00Z");
const STRONG = ["pwd", "otp", "mfa"];
const account: Account = {
  ...newAccount({ id: "u", username: "u", email: "e", role: "doctor", passwordHash: "h" }, NOW),
  mfaEnabled: true,
  totpSecret: "s",
};
const session: Session = newSession(
  { id: "s", userId: "u", role: "doctor", kind: "full", amr: STRONG, ip: "", userAgent: "" },
  { idleMs: 900_000, absoluteStaffMs: 43_200_000, absolutePatientMs: 1 },
  NOW,
);
const successor = { token: "t", hash: Buffer.alloc(32) };

interface Case {
  account: Account;
  session: Session;
  amr: string[];
  now: Date;
}
const grants: Record<string, (c: Case) => Grant> = {
  totp: ({ account, amr }) => ({ by: "totp", account, amr }),
  recovery_code: ({ account, amr }) => ({ by: "recovery_code", account, amr }),
  enrollment: ({ account, amr }) => ({ by: "enrollment", account, amr }),
  password: ({ account, amr }) => ({ by: "password", account, amr }),
  refresh: ({ account, session, amr }) => ({
    by: "refresh",
    account,
    session: { ...session, amr },
    idleUntil: null,
    successor,
  }),
  step_up: ({ account, session, amr }) => ({ by: "step_up", account, session, amr }),
};
const faults: Record<string, Partial<Case>> = {
  disabled: { account: { ...account, disabled: true } },
  "not activated": { account: { ...account, activated: false } },
  "without a password": { account: { ...account, passwordHash: null } },
  "without the second factor it has": { amr: ["pwd"] },
};
const sessionFaults: Record<string, Partial<Case>> = {
  ended: { session: { ...session, endedAt: NOW } },
  idle: { now: new Date(NOW.getTime() + 900_000) },
  expired: { now: new Date(NOW.getTime() + 43_200_000) },
  "somebody else's": { session: { ...session, userId: "x" } },
  "of another role": { account: { ...account, role: "admin" } },
  "for enrolment only": { session: { ...session, kind: "enrollment" } },
};
const good: Case = { account, session, amr: STRONG, now: NOW };

for (const [name, grant] of Object.entries(grants)) {
  test(`the grant by ${name} is let through when all is well`, () => {
    expect(admit(grant(good), NOW)).toBe("full");
  });
  const all = name === "refresh" || name === "step_up" ? { ...faults, ...sessionFaults } : faults;
  for (const [fault, change] of Object.entries(all)) {
    test(`the grant by ${name} is refused where the account or session is ${fault}`, () => {
      const broken = { ...good, ...change };
      expect(() => admit(grant(broken), broken.now)).toThrow(
        expect.objectContaining({ kind: "unauthenticated" }),
      );
    });
  }
}

test("staff without a second factor get the enrolment by password, and nothing by anything else", () => {
  const bare = { ...good, account: { ...account, mfaEnabled: false }, amr: ["pwd"] };
  for (const [name, grant] of Object.entries(grants)) {
    if (name === "password") expect(admit(grant(bare), NOW)).toBe("enrollment");
    else expect(() => admit(grant(bare), NOW)).toThrow();
  }
  const patient: Case = { ...bare, account: { ...bare.account, role: "patient" } };
  expect(admit({ by: "password", account: patient.account, amr: ["pwd"] }, NOW)).toBe("full");
});
