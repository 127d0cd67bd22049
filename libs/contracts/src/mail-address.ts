import { domainToASCII, domainToUnicode } from "node:url";
import { z } from "zod";

/** As RFC 5321 has it. */
const MAX_ADDRESS = 254;
const MAX_DOMAIN = 253;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const TOP_LABEL = /^([a-z]{2,63}|xn--[a-z0-9-]{1,58}[a-z0-9])$/i;
/** What a name in another script is written in; UTS 46 decides what of it is a domain. */
const WRITTEN = /^[\p{L}\p{M}\p{N}.\u3002\uff0e\uff61-]+$/u;
/** Scripts that look alike: no honest label mixes them. */
const LOOK_ALIKE = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u];

/**
 * A mail address as it is mailed to and compared: an internationalised domain in its ASCII form
 * (UTS 46), all else as typed. Null for what is none, also a domain that mixes scripts which look
 * alike.
 */
export function asciiAddress(address: string): string | null {
  const at = address.lastIndexOf("@");
  const [local, domain] = [address.slice(0, at), asciiDomain(address.slice(at + 1))];
  if (at < 1 || domain === null || !z.email().safeParse(`${local}@mail.example`).success) return null;
  return `${local}@${domain}`;
}

function asciiDomain(typed: string): string | null {
  const isPlain = /^[\x21-\x7e]*$/.test(typed) && !/xn--/i.test(typed);
  if (!isPlain && !WRITTEN.test(typed)) return null;
  const domain = isPlain ? typed : domainToASCII(typed);
  const labels = domain.split(".");
  const top = labels.at(-1) ?? "";
  const isWhole = labels.length > 1 && labels.every((label) => LABEL.test(label)) && TOP_LABEL.test(top);
  if (!isWhole || domain.length > MAX_DOMAIN) return null;
  // A label that stays as it is stands for no name.
  const read = isPlain ? [] : domainToUnicode(domain).split(".");
  return read.some((label) => /^xn--|^-|-$/.test(label) || isMixed(label)) ? null : domain;
}

const isMixed = (label: string): boolean => LOOK_ALIKE.filter((script) => script.test(label)).length > 1;

/** An address, or a part of one, as people read it: its domain in the letters of its script. */
export function unicodeAddress(address: string): string {
  const domain = address.lastIndexOf("@") + 1;
  const readable = (label: string) => domainToUnicode(label) || label;
  return address.slice(0, domain) + address.slice(domain).replace(/(?<![^.])xn--[a-z0-9-]{1,59}/gi, readable);
}

/** The mail address that `typed` takes, as `form` has it. */
const mailAddress = (typed: z.ZodType<string, string>, form: (ascii: string) => string) =>
  typed
    .transform((address, { issues }) => {
      const ascii = asciiAddress(address);
      if (ascii !== null && ascii.length <= MAX_ADDRESS) return form(ascii);
      issues.push({ code: "invalid_format", format: "email", input: address });
      return z.NEVER;
    })
    .meta({ format: "idn-email" });

/** What mails go to and what is compared: `a@xn--mnchen-3ya.de`. */
export const mailedAddress = () => mailAddress(z.string().max(MAX_ADDRESS), (ascii) => ascii);
/** What is kept to be read: `a@münchen.de`. */
export const readAddress = (typed: z.ZodType<string, string>) => mailAddress(typed, unicodeAddress);
