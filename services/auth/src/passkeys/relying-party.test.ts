import { expect, test } from "vitest";
import { relyingPartyOf } from "./relying-party.ts";

test("the relying party is the public URL's domain, and localhost for a loopback address", () => {
  expect(relyingPartyOf("https://clinic.example/app")).toEqual({
    id: "clinic.example",
    origins: ["https://clinic.example"],
  });
  for (const loopback of ["http://127.0.0.1:8080", "http://[::1]:8080"]) {
    expect(relyingPartyOf(loopback)).toEqual({ id: "localhost", origins: ["http://localhost:8080"] });
  }
});

test("a domain and origins that are set must belong together and be secure", () => {
  const url = "https://records.clinic.example";
  expect(relyingPartyOf(url, { id: "clinic.example" })).toEqual({ id: "clinic.example", origins: [url] });
  const origins = ["https://a.clinic.example", "https://clinic.example:8443"];
  expect(relyingPartyOf(url, { id: "clinic.example", origins })).toEqual({ id: "clinic.example", origins });
  for (const [id, origin] of [
    ["clinic.example", "https://clinic.example.evil.test"],
    ["clinic.example", "https://evilclinic.example"],
    ["clinic.example", "http://clinic.example"],
    ["other.example", url],
  ] as const) {
    expect(() => relyingPartyOf(url, { id, origins: [origin] })).toThrow(RangeError);
  }
});
