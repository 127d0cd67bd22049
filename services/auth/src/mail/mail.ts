import type { MailedPage } from "@medvault/contracts";

/** A mail before it has a sender. Text only: nothing to click by accident, nothing to render. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
  /** Beside those of every mail. */
  headers?: Readonly<Record<string, string>>;
}

/** Where a mailed link leads. The token stands in the fragment, which browsers send to nobody. */
export function link(publicUrl: string, page: MailedPage, token: string): string {
  return new URL(`/${page}#token=${token}`, publicUrl).href;
}

export const SIGNATURE = "\n\n-- \nMedVault\n";

const UNITS = [
  ["day", 24 * 3600_000],
  ["hour", 3600_000],
  ["minute", 60_000],
] as const;

/** `3 days`, `1 hour`, `90 minutes`: in the largest unit that says it whole. */
export function lifeText(ms: number): string {
  const [unit, unitMs] = UNITS.find((one) => ms % one[1] === 0) ?? ["minute", 60_000];
  const count = Math.floor(ms / unitMs);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** An invitation by an admin; taking it up means choosing a password. */
export function invitationMail(o: {
  to: string;
  username: string;
  publicUrl: string;
  token: string;
  lifeMs: number;
}): Mail {
  return {
    to: o.to,
    subject: "Your MedVault account",
    text: `An account was made for you.

User name: ${o.username}

Choose a password here; the link is good for ${lifeText(o.lifeMs)}, once:

${link(o.publicUrl, "invitation", o.token)}

By API: POST /v1/auth/password/reset {"token", "newPassword"}.${SIGNATURE}`,
  };
}

/** The answer to a forgotten password. */
export function resetMail(o: {
  to: string;
  publicUrl: string;
  token: string;
  lifeMs: number;
  mayRemoveFactors: boolean;
}): Mail {
  const stay = `What second factors you have stay: have your authenticator app, passkey or a recovery code at hand. A passkey signs in
alone again once you have used it together with the new password.`;
  const remove = "If you did not set up a second factor here and are asked for one, the page can remove it.";
  const factors = o.mayRemoveFactors ? `${stay} ${remove}` : stay;
  return {
    to: o.to,
    subject: "A new MedVault password",
    text: `Somebody, probably you, asked for a new password.

Choose one here; the link is good for ${lifeText(o.lifeMs)}, once:

${link(o.publicUrl, "reset-password", o.token)}

${factors}

If it was not you, do nothing: your password stays as it is.${SIGNATURE}`,
  };
}

/** To a new account's address; with a token the account waits for the link to be used. */
export function registeredMail(o: {
  to: string;
  username: string;
  publicUrl: string;
  token: string | null;
}): Mail {
  const confirm =
    o.token === null
      ? ""
      : `\nConfirm this address here, before you sign in; the link is good for 1 day, once:

${link(o.publicUrl, "confirm-address", o.token)}
`;
  return {
    to: o.to,
    subject: "Your MedVault account",
    text: `Somebody, probably you, made an account with this address.

User name: ${o.username}
${confirm}
If it was not you, do nothing, or ask for a new password and the account is yours:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}

/** After too many wrong guesses. */
export function lockedMail(o: { to: string; publicUrl: string }): Mail {
  return {
    to: o.to,
    subject: "Sign-in to your MedVault account is locked for a while",
    text: `Somebody failed to sign in to your account too often. New devices have to wait; those that you have signed in
from before need not.

If it was you and you forgot your password, ask for a new one:

${new URL("/forgot-password", o.publicUrl).href}

If it was not you, there is nothing to do: nobody got in.${SIGNATURE}`,
  };
}

/** After a sign-in from a device and a place that the account was never used from. */
export function newDeviceMail(o: { to: string; publicUrl: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "A new device signed in to your MedVault account",
    text: `A device that had not been used with your account before signed in at ${o.at.toISOString()}.

If it was not you, ask for a new password now, which ends all sessions:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}

/** After a user name was changed. */
export function usernameChangedMail(o: { to: string; publicUrl: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "Your MedVault user name was changed",
    text: `The user name of your account was changed at ${o.at.toISOString()}. You can sign in with this address.

If you do not know of it, ask for a new password now, which ends all sessions, and tell those who run your MedVault:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}

const FACTOR_CHANGES = {
  mfa_enabled: "An authenticator app was set up as the second factor of your account",
  mfa_disabled: "The second factor of your account was turned off",
  recovery_codes_replaced: "The recovery codes of your account were replaced",
  recovery_code_used: "A recovery code of your account was used",
  passkey_added: "A passkey was added to your account",
  passkey_removed: "A passkey was removed from your account",
  last_passkey_removed: "The last passkey of your account was removed, and its second factor with it",
  passkey_confirmed: "A passkey of your account signs in alone again: it was used with your new password",
  totp_removed_by_admin: "An administrator removed the authenticator app of your account",
  passkeys_removed_by_admin: "An administrator removed passkeys of your account",
};

/** What can happen to the factors of an account. */
export type FactorChange = keyof typeof FACTOR_CHANGES;

/** After the factors of an account were changed. */
export function factorsChangedMail(o: { to: string; publicUrl: string; what: FactorChange; at: Date }): Mail {
  return {
    to: o.to,
    subject: "How you sign in to MedVault was changed",
    text: `${FACTOR_CHANGES[o.what]} at ${o.at.toISOString()}.

If it was not you, ask for a new password now, which ends all sessions, and tell those who run your MedVault:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}

/** What is left of an account's second factors when its password was changed or set again. */
export interface FactorsLeft {
  totp: boolean;
  passkeys: number;
  recoveryCodes: number;
  /** `reset`: its passkeys wait; `ended`: a reset took all factors of an unconfirmed address. */
  after: "change" | "reset" | "ended";
}

function factorsLeft({ totp, passkeys, recoveryCodes, after }: FactorsLeft): string {
  if (after === "ended") {
    return `The second factors that were set up before this address was confirmed are removed. Set up your own.`;
  }
  const left = [
    totp && "an authenticator app",
    passkeys > 0 && `passkeys: ${passkeys}`,
    recoveryCodes > 0 && `recovery codes: ${recoveryCodes}`,
  ].filter(Boolean);
  if (left.length === 0) return "The account has no second factor.";
  const waits =
    after === "reset" && passkeys > 0
      ? `
A passkey signs in alone again once you have used it together with the new password.`
      : "";
  return `Second factors that stay (${left.join("; ")}) are asked for as before.${waits}
If one of them is not yours, remove it, or ask those who run your MedVault to do it.`;
}

/** After a password was changed or set again. */
export function passwordChangedMail(o: {
  to: string;
  publicUrl: string;
  at: Date;
  factors: FactorsLeft;
}): Mail {
  return {
    to: o.to,
    subject: "Your MedVault password was changed",
    text: `The password of your account was changed at ${o.at.toISOString()}.

${factorsLeft(o.factors)}

If it was not you, ask for a new one now:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}
