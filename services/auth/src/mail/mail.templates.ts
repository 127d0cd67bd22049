/** A mail before it has a sender. Text only: there is nothing to click by accident and nothing to render. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

/** Where a mailed link leads. The token stands in the fragment, which browsers send to nobody. */
function link(publicUrl: string, page: string, token: string): string {
  return new URL(`/${page}#token=${token}`, publicUrl).href;
}

const SIGNATURE = "\n\n-- \nMedVault\n";

/** An invitation by an admin; taking it up means choosing a password. */
export function invitationMail(o: { to: string; username: string; publicUrl: string; token: string }): Mail {
  return {
    to: o.to,
    subject: "Your MedVault account",
    text: `An account was made for you.

User name: ${o.username}

Choose a password here; the link is good for 3 days, once:

${link(o.publicUrl, "invitation", o.token)}

By API: POST /v1/auth/password/reset {"token", "newPassword"}.${SIGNATURE}`,
  };
}

/** The answer to a forgotten password. */
export function resetMail(o: { to: string; publicUrl: string; token: string }): Mail {
  return {
    to: o.to,
    subject: "A new MedVault password",
    text: `Somebody, probably you, asked for a new password.

Choose one here; the link is good for 1 hour, once:

${link(o.publicUrl, "reset-password", o.token)}

If it was not you, do nothing: your password stays as it is.${SIGNATURE}`,
  };
}

/** To the owner of an address that somebody registered, or wanted, once more. */
export function addressTakenMail(o: { to: string; publicUrl: string }): Mail {
  return {
    to: o.to,
    subject: "You have a MedVault account",
    text: `Somebody, perhaps you, gave this address for an account. It has one already, so nothing was changed.

If you forgot your password, ask for a new one:

${new URL("/forgot-password", o.publicUrl).href}

If it was not you, do nothing.${SIGNATURE}`,
  };
}

/** To a new address, which takes effect when the link is used. */
export function addressChangeMail(o: { to: string; publicUrl: string; token: string }): Mail {
  return {
    to: o.to,
    subject: "Confirm your address",
    text: `This address was given for a MedVault account.

Confirm it here; the link is good for 1 day, once:

${link(o.publicUrl, "confirm-address", o.token)}

If it was not you, do nothing.${SIGNATURE}`,
  };
}
