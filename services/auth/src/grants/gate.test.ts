import { expect, test } from "vitest";
import { type Account, newAccount } from "../accounts/account.ts";
import { newSession, type Session } from "../sessions/session.ts";
import { admit, type Grant, type Standing } from "./gate.ts";

const NOW = new Date("2026-01-01T00:00:00Z");
const at = (ms: number) => new Date(NOW.getTime() + ms);
const STRONG = ["pwd", "otp", "mfa"];
const account: Account = {
  ...newAccount({ id: "u", username: "u", email: "e", role: "doctor", passwordHash: "h" }, NOW),
  mfaEnabled: true,
  totpSecret: "s",
};
const input = { id: "s", userId: "u", amr: STRONG, ip: "", userAgent: "", pv: 7 };
const settings = { idleMs: 900_000, absoluteStaffMs: 43_200_000, absolutePatientMs: 1 };
const sessionOf = (kind: Session["kind"]): Session =>
  newSession({ ...input, role: "doctor", kind, transport: "bearer" }, settings, NOW);

interface Case {
  account: Account | null;
  /** Changes what the grant stands on, where it stands on a session. */
  session: Partial<Session> | null;
  amr: string[];
  standing: Standing;
  now: Date;
}
const good: Case = {
  account,
  session: {},
  amr: STRONG,
  standing: { pv: 7, lockedUntil: null },
  now: NOW,
};
const on = ({ session, amr }: Case, kind: Session["kind"]) =>
  session && { ...sessionOf(kind), amr, ...session };

// Each grant has a row, by the type: a new one without its row does not compile.
const grants: { [By in Grant["by"]]: (c: Case) => Grant } = {
  password: (c) => ({ by: "password", account: c.account, amr: c.amr, pv: 7, transport: "bearer" }),
  totp: (c) => ({ by: "totp", account: c.account, amr: c.amr, pv: 7, transport: "bearer" }),
  recovery_code: (c) => ({
    by: "recovery_code",
    account: c.account,
    amr: c.amr,
    pv: 7,
    transport: "bearer",
  }),
  passkey: (c) => ({ by: "passkey", account: c.account, amr: c.amr, pv: 7, transport: "bearer" }),
  enrollment: (c) => ({
    by: "enrollment",
    account: c.account,
    session: on(c, "enrollment"),
    amr: c.amr,
  }),
  refresh: (c) => ({
    by: "refresh",
    account: c.account,
    session: on(c, "full"),
    idleUntil: null,
  }),
  step_up: (c) => ({
    by: "step_up",
    account: c.account,
    session: on(c, "full"),
    amr: c.amr,
    idleUntil: null,
  }),
  reset: (c) => ({ by: "reset", account: c.account }),
  invitation: (c) => ({ by: "invitation", account: c.account }),
};
const onSession = ["enrollment", "refresh", "step_up"];
const forPassword = ["reset", "invitation"];

// Which faults refuse which grants; what is not here refuses all. A mailed token gives a password
// and no session: what an account without one may not do, it may; and the sign-in after it meets
// the rest.
const only: Record<string, (by: string) => boolean> = {
  "not activated": (by) => !forPassword.includes(by),
  "without a password": (by) => !forPassword.includes(by),
  "without the second factor it has": (by) => !forPassword.includes(by),
  "without the second factor its role must have": (by) => !forPassword.includes(by) && by !== "password",
  "under an old permission version": (by) => !forPassword.includes(by) && !/refresh|step_up/.test(by),
  "of a session that is gone": (by) => onSession.includes(by),
  "of an ended session": (by) => onSession.includes(by),
  "of an idle session": (by) => onSession.includes(by),
  "of a session that is over": (by) => onSession.includes(by),
  "of another account's session": (by) => onSession.includes(by),
  "of a session with another role": (by) => onSession.includes(by),
  "of a session of the other kind": (by) => onSession.includes(by),
};
const otherKind = (by: string) => ({
  kind: by === "enrollment" ? ("full" as const) : ("enrollment" as const),
});

const faults: Record<string, (by: string) => [Partial<Case>, string]> = {
  locked: () => [{ standing: { pv: 7, lockedUntil: at(1) } }, "account_locked"],
  disabled: () => [{ account: { ...account, disabled: true } }, "account_disabled"],
  deleted: () => [{ account: null }, "account_gone"],
  "not activated": () => [{ account: { ...account, activated: false } }, "account_not_activated"],
  "without a password": () => [{ account: { ...account, passwordHash: null } }, "account_not_activated"],
  "without the second factor it has": () => [{ amr: ["pwd"] }, "second_factor_missing"],
  "without the second factor its role must have": () => [
    { account: { ...account, mfaEnabled: false } },
    "second_factor_missing",
  ],
  "under an old permission version": () => [
    { standing: { pv: 8, lockedUntil: null } },
    "permissions_changed",
  ],
  "of a session that is gone": () => [{ session: null }, "session_ended"],
  "of an ended session": () => [{ session: { endedAt: NOW } }, "session_ended"],
  "of an idle session": () => [{ now: at(900_000) }, "session_ended"],
  "of a session that is over": () => [{ now: at(43_200_000) }, "session_ended"],
  "of another account's session": () => [{ session: { userId: "x" } }, "session_ended"],
  "of a session with another role": () => [{ account: { ...account, role: "admin" } }, "role_changed"],
  "of a session of the other kind": (by) => [{ session: otherKind(by) }, "session_ended"],
};

for (const [by, grant] of Object.entries(grants)) {
  test(`the grant by ${by} is let through when all is well`, () => {
    const { kind } = admit(grant(good), good.standing, NOW);
    expect(kind).toBe(forPassword.includes(by) ? "password" : "full");
  });
  for (const [fault, make] of Object.entries(faults)) {
    const [change, reason] = make(by);
    const broken = { ...good, ...change };
    const asked = () => admit(grant(broken), broken.standing, broken.now);
    if (only[fault]?.(by) ?? true) {
      test(`the grant by ${by} is refused ${fault}`, () => {
        expect(asked).toThrow(expect.objectContaining({ reason }));
      });
    } else {
      test(`the grant by ${by} has nothing to do with: ${fault}`, () => {
        expect(asked().kind).not.toBe(null);
      });
    }
  }
}

test("a lock says for how long, and one that is over locks nothing", () => {
  const locked = { pv: 7, lockedUntil: at(61_000) };
  expect(() => admit(grants.refresh(good), locked, NOW)).toThrow(
    expect.objectContaining({ kind: "rate_limited", code: "login_locked", retryAfterSeconds: 61 }),
  );
  expect(admit(grants.refresh(good), { pv: 7, lockedUntil: NOW }, NOW).kind).toBe("full");
});

test("staff without a second factor get the set-up by password; patients need none", () => {
  const bare = { ...good, account: { ...account, mfaEnabled: false }, amr: ["pwd"] };
  expect(admit(grants.password(bare), bare.standing, NOW).kind).toBe("enrollment");
  const patient = { ...bare, account: { ...bare.account, role: "patient" as const } };
  expect(admit(grants.password(patient), bare.standing, NOW).kind).toBe("full");
});

test("a session from before permission versions were kept can still finish its set-up", () => {
  const old = { ...good, session: { pv: null } };
  expect(admit(grants.enrollment(old), { pv: 9, lockedUntil: null }, NOW).kind).toBe("full");
});
