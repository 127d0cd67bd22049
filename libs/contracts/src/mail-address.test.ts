import { expect, test } from "vitest";
import { asciiAddress, unicodeAddress } from "./mail-address.ts";

test.each([
  ["a@münchen.de", "a@xn--mnchen-3ya.de"],
  ["a@MÜNCHEN.de", "a@xn--mnchen-3ya.de"],
  ["a@mu\u0308nchen.de", "a@xn--mnchen-3ya.de"],
  ["a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"],
  ["A.b+c@XN--MNCHEN-3YA.de", "A.b+c@xn--mnchen-3ya.de"],
  ["info@пример.рф", "info@xn--e1afmkfd.xn--p1ai"],
  ["a@例え。jp", "a@xn--r8jz45g.jp"],
  ["a@faß.de", "a@xn--fa-hia.de"],
  ["A@Mail.Example", "A@Mail.Example"],
])("%s is mailed to as %s", (typed, ascii) => {
  expect(asciiAddress(typed)).toBe(ascii);
});

test.each([
  "a",
  "@münchen.de",
  "a@münchen",
  "a@mün chen.de",
  "a@-münchen.de",
  "a@münchen..de",
  "a@xn--a.de",
  "a@mün\u200bchen.de",
  "a@münchen.de/x",
  "a@m%C3%BCnchen.de",
  "a@0x7fü.1",
  "a@127.0.0.1",
  "a@☃.de",
  "ä@münchen.de",
  "a@\ud800ü.de",
  `a@${"ü".repeat(60)}.de`,
])("%j is no mail address", (typed) => {
  expect(asciiAddress(typed)).toBeNull();
});

test("threat: a domain that mixes scripts which look alike is refused, written either way", () => {
  for (const domain of ["раураl.com", "xn--l-7sba6dbr.com", "аpple.com", "gοοgle.com"])
    expect(asciiAddress(`a@${domain}`), domain).toBeNull();
});

test("an address reads in its own letters, and a part of one too", () => {
  expect(unicodeAddress("a@xn--mnchen-3ya.de")).toBe("a@münchen.de");
  expect(unicodeAddress("xn--x@mail.xn--mnchen-3ya.de")).toBe("xn--x@mail.münchen.de");
  expect(unicodeAddress("xn--mnchen-3ya")).toBe("münchen");
  for (const same of ["", "a@Mail.Example", "a@xn--a.de", "a@münchen.de", "@"])
    expect(unicodeAddress(same)).toBe(same);
});
