import { givenMmdb } from "@medvault/testing";
import { afterEach, expect, test } from "vitest";
import { locationName, openLocations } from "./location.ts";

const open: { remove(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.remove();
});
async function file(places: Parameters<typeof givenMmdb>[0]): Promise<string> {
  const given = await givenMmdb(places);
  open.push(given);
  return given.file;
}

const berlin = {
  city: { names: { en: "Berlin" } },
  country: { names: { en: "Germany" }, iso_code: "DE" },
  location: { latitude: 52.5, longitude: 13.4 },
};
const quito = {
  country: { names: { en: "Ecuador" }, iso_code: "EC" },
  location: { latitude: -0.2, longitude: -78.5 },
};

test("an address has its city, country and point, and one that the file does not know has none", async () => {
  const locate = await openLocations(await file({ "203.0.113.0/24": berlin, "198.51.100.0/25": quito }));
  expect(locate("203.0.113.77")).toEqual({
    ...{ city: "Berlin", country: "Germany", countryCode: "DE" },
    at: { latitude: 52.5, longitude: 13.4 },
  });
  expect(locationName(locate("203.0.113.77"))).toBe("Berlin, Germany");
  expect(locate("::ffff:203.0.113.77")).toEqual(locate("203.0.113.77"));
  expect(locate("198.51.100.1")?.at).toEqual({ latitude: -0.2, longitude: -78.5 });
  for (const ip of ["203.0.114.1", "198.51.100.200", "127.0.0.1", "2001:db8::1", "unknown", ""]) {
    expect(locate(ip)).toBe(null);
    expect(locationName(locate(ip))).toBe(null);
  }
});

test("a file of countries alone tells the country, and no point", async () => {
  const norway = { country: { names: { en: "Norway" }, iso_code: "NO" } };
  const locate = await openLocations(await file({ "198.51.100.0/24": norway }));
  expect(locate("198.51.100.1")).toEqual({ city: null, country: "Norway", countryCode: "NO", at: null });
  expect(locationName(locate("198.51.100.1"))).toBe("Norway");
});

test("a private address is nowhere, whatever the file says", async () => {
  const locate = await openLocations(await file({ "10.0.0.0/8": berlin, "192.168.0.0/16": berlin }));
  for (const ip of ["10.1.2.3", "192.168.1.1", "::ffff:10.1.2.3"]) expect(locate(ip)).toBe(null);
});

test("a file that is none, or not there, does not boot", async () => {
  const given = await file(Buffer.from("not a database"));
  await expect(openLocations(given)).rejects.toThrow("MEDVAULT_GEOIP_FILE");
  await expect(openLocations(`${given}.gone`)).rejects.toThrow("MEDVAULT_GEOIP_FILE");
});
