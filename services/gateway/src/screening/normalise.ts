/** Of longer values the first part is screened; no screened field may be a quarter as long. */
const MAX_SCREENED_CHARS = 8_192;
const PERCENT_ROUNDS = 3;
const ENTITY_ROUNDS = 2;

const PAIR = /^[a-z_]{1,24}=[^=]/;

/** Without one of these a value has no second form. */
const MAY_BE_CODED = /[%&\\]|0x|\.\.[25]/i;
const PERCENT_RUN = /(?:%[0-9a-f]{2})+/gi;
/** `%u2215`, IIS' own. */
const PERCENT_U = /%u([0-9a-f]{4})/gi;
/** `0x2e` and `..2f` are characters only next to a dot, a slash or each other, not as numbers. */
const HEX_DOT = /0x(2e|2f|5c)/gi;
const BARE_SLASH = /(\.\.)(2f|5c)(?=\.\.|[a-z])/gi;
const NUMERIC_ENTITY = /&#(?:x0*([0-9a-f]{1,6})|0*([0-9]{1,7}));?/gi;
const NAMED_ENTITY = /&([a-z]{2,8});?/gi;
const ESCAPE = /\\(?:u\{?0*([0-9a-f]{2,5})\}?|x([0-9a-f]{2})|u([0-9a-f]{4}))/gi;
const OVERLONG = /[\xc0\xc1][\x80-\xbf.\\/]|[\xe0][\x80-\x9f][\x80-\xbf]/g;

const NAMES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  bsol: "\\",
  colon: ":",
  commat: "@",
  equals: "=",
  excl: "!",
  grave: "`",
  gt: ">",
  lpar: "(",
  lt: "<",
  newline: "\n",
  num: "#",
  period: ".",
  quot: '"',
  rpar: ")",
  semi: ";",
  sol: "/",
  tab: "\t",
};

/** Look-alikes that some decoders fold into the ASCII character they resemble, as NFKC does not. */
const FOLDED: Readonly<Record<string, string>> = {
  "\u2018": "'",
  "\u2019": "'",
  "\u201b": "'",
  "\u2032": "'",
  "\u02bc": "'",
  "\u201c": '"',
  "\u201d": '"',
  "\u2033": '"',
  "\u2215": "/",
  "\u2044": "/",
  "\u2216": "\\",
  "\uefc8": "/",
  "\uf025": "/",
  "\u2039": "<",
  "\u203a": ">",
  "\u2013": "-",
  "\u2014": "--",
  "\u00bc": "<",
  "\u00be": ">",
};
const FOLD = new RegExp(`[${Object.keys(FOLDED).join("")}]`, "g");

/** A value and its decoded forms, lower case, each once: what the recognisers read. */
export function formsOf(value: string): string[] {
  const bounded = value.length > MAX_SCREENED_CHARS ? value.slice(0, MAX_SCREENED_CHARS) : value;
  const plain = spaced(bounded);
  const forms = new Set([folded(plain)]);
  const unescaped = MAY_BE_CODED.test(plain) ? decoded(plain) : plain;
  if (unescaped !== plain) forms.add(folded(unescaped));
  // A pair that was sent as one value: the part after the name is screened on its own as well.
  for (const form of [...forms]) if (PAIR.test(form)) forms.add(form.slice(form.indexOf("=") + 1));
  return [...forms];
}

function decoded(value: string): string {
  let text = value;
  for (let round = 0; round < PERCENT_ROUNDS && text.includes("%"); round++) {
    const next = percentDecoded(text);
    if (next === text) break;
    text = next;
  }
  for (let round = 0; round < ENTITY_ROUNDS && text.includes("&"); round++) text = entitiesDecoded(text);
  if (text.includes("\\")) text = text.replace(ESCAPE, (whole, u, x, v) => charOf(u ?? x ?? v, 16, whole));
  if (text.includes("0x") || text.includes("0X"))
    text = text.replace(HEX_DOT, (_, hex) => charOf(hex, 16, ""));
  return text.replace(BARE_SLASH, (_, dots, hex) => dots + charOf(hex, 16, ""));
}

function percentDecoded(text: string): string {
  return text
    .replace(PERCENT_U, (whole, hex) => charOf(hex, 16, whole))
    .replace(PERCENT_RUN, (run) => utf8OrBytes(Buffer.from(run.replaceAll("%", ""), "hex")));
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes that are no UTF-8 count singly; overlong forms as the characters of a careless decoder. */
function utf8OrBytes(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes.toString("latin1").replace(OVERLONG, (form) => {
      const last = form.charCodeAt(form.length - 1) & 0x7f;
      const lead = form.length === 2 ? (form.charCodeAt(0) & 1) << 6 : 0;
      return String.fromCharCode((last & 0x3f) | lead);
    });
  }
}

function entitiesDecoded(text: string): string {
  return text
    .replace(NUMERIC_ENTITY, (whole, hex, decimal) =>
      hex === undefined ? charOf(decimal, 10, whole) : charOf(hex, 16, whole),
    )
    .replace(NAMED_ENTITY, (whole, name: string) => NAMES[name.toLowerCase()] ?? whole);
}

function charOf(digits: string, radix: number, otherwise: string): string {
  const code = Number.parseInt(digits, radix);
  return code <= 0x10ffff ? String.fromCodePoint(code) : otherwise;
}

const PRINTABLE_ASCII = /^[ -~]*$/;
const INVISIBLE = /(?!\s)\p{C}/gu;

/** Full-width and other compatibility forms become what they stand for; invisible characters go. */
function folded(value: string): string {
  if (PRINTABLE_ASCII.test(value)) return value.toLowerCase();
  const look = value.replace(FOLD, (char) => FOLDED[char] ?? char).normalize("NFKC");
  return look.replace(INVISIBLE, "").toLowerCase();
}

/** In a value without blanks `+` is a blank, as forms encode it. */
function spaced(value: string): string {
  return value.includes("+") && !value.includes(" ") ? value.replaceAll("+", " ") : value;
}
