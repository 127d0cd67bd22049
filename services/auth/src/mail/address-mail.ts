// The mails about addresses: who has one, who wants it, and what became of it.
import { link, type Mail, SIGNATURE } from "./mail.ts";

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

/**
 * To an address that an account has and nobody confirmed, when another account is made with it, or
 * wants it.
 */
export function addressClaimedMail(o: {
  to: string;
  username: string;
  publicUrl: string;
  token: string;
}): Mail {
  return {
    to: o.to,
    subject: "Whose address is this?",
    text: `This address was given for the MedVault account with the user name ${o.username}. Another account has it
already, but nobody has confirmed it.

If ${o.username} is you, confirm it here; the link is good for 1 day, once, and takes the address from the other:

${link(o.publicUrl, "confirm-address", o.token)}

If the other account is yours, ask for a new password, which confirms it as well:

${new URL("/forgot-password", o.publicUrl).href}

If neither is, do nothing.${SIGNATURE}`,
  };
}

/** To a new address, which takes effect when the link is used. */
export function addressChangeMail(o: { to: string; publicUrl: string; token: string; until: Date }): Mail {
  return {
    to: o.to,
    subject: "Confirm your address",
    text: `This address was given for a MedVault account.

Confirm it here; the link is good until ${o.until.toISOString()}, once:

${link(o.publicUrl, "confirm-address", o.token)}

If you do not know of it, do nothing.${SIGNATURE}`,
  };
}

/** To the present address, when somebody who is signed in wants another for the account. */
export function addressAskedMail(o: { to: string; publicUrl: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "Another address was asked for your MedVault account",
    text: `Somebody who is signed in to your account asked for another address at ${o.at.toISOString()}. It takes effect when a link
mailed there is used. Until then your account has this address.

If it was not you, ask for a new password now, which ends all sessions and calls the change off:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}

/** To the present address, when an admin gives the account another one. */
export function addressWantedMail(o: { to: string; publicUrl: string; token: string; until: Date }): Mail {
  return {
    to: o.to,
    subject: "The address of your MedVault account is to be changed",
    text: `An administrator gave your account another address. It takes effect when a link mailed there is used, or at
${o.until.toISOString()}. Until then your account has this address.

If you do not want it, keep this address here; the link is good until then, once:

${link(o.publicUrl, "keep-address", o.token)}

If you asked for it, do nothing.${SIGNATURE}`,
  };
}

/** To the present address, when a change of it by an admin is over without having taken effect. */
export function addressKeptMail(o: { to: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "Your MedVault account keeps its address",
    text: `The change of your account's address was called off at ${o.at.toISOString()}. Your account keeps this address.${SIGNATURE}`,
  };
}

/** To the address that an account had until its change took effect: the last mail there. */
export function addressChangedMail(o: { to: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "The address of your MedVault account was changed",
    text: `Your account has had another address since ${o.at.toISOString()}. Nothing is sent to this one any more.

If it was not you, tell those who run your MedVault now: a new password cannot be asked for with this address.${SIGNATURE}`,
  };
}

/** To the address that an account has from now on. */
export function addressGivenMail(o: { to: string; publicUrl: string; at: Date }): Mail {
  return {
    to: o.to,
    subject: "This is the address of your MedVault account",
    text: `A MedVault account has had this address since ${o.at.toISOString()}, in the place of another.

If you have none, ask for a new password and it is yours:

${new URL("/forgot-password", o.publicUrl).href}${SIGNATURE}`,
  };
}
