import type { Response } from "maxmind";
import { ConfigError } from "./config.ts";
import { addressRanges, plainAddress } from "./network.ts";

interface Record {
  city?: { names?: { en?: string } };
  country?: { names?: { en?: string }; iso_code?: string };
  location?: { latitude?: number; longitude?: number };
}

/** Where an address is, coarsely, as far as its file knows. */
export interface Location {
  readonly city: string | null;
  readonly country: string | null;
  /** ISO 3166-1, two letters. */
  readonly countryCode: string | null;
  /** Degrees. */
  readonly at: { readonly latitude: number; readonly longitude: number } | null;
}
export type Locate = (ip: string) => Location | null;

/** Of networks that are in every place: whatever a file says of them is wrong. */
const isPrivate = addressRanges(
  "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,169.254.0.0/16,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7,fe80::/10",
);

/**
 * Coarse locations of addresses by a MaxMind file, which is read into memory once and never asks
 * anybody; null: private, or not known. Throws ConfigError for a file that is none: a location that
 * silently stays away would be taken for "the usual place".
 */
export async function openLocations(file: string): Promise<Locate> {
  const { open } = await import("maxmind"); // most services have no use for it
  const reader = await open<Response & Record>(file).catch(() => {
    throw new ConfigError(new Map([["MEDVAULT_GEOIP_FILE", "must name a whole MaxMind file (.mmdb)"]]));
  });
  return (ip) => {
    try {
      const address = plainAddress(ip);
      const found = isPrivate(address) ? null : reader.get(address);
      return found ? locationOf(found) : null;
    } catch {
      return null; // no address, or IPv6 in a file of IPv4
    }
  };
}

function locationOf({ city, country, location }: Record): Location {
  const { latitude, longitude } = location ?? {};
  const hasPoint = Number.isFinite(latitude) && Number.isFinite(longitude);
  return {
    city: city?.names?.en ?? null,
    country: country?.names?.en ?? null,
    countryCode: country?.iso_code ?? null,
    at: hasPoint ? { latitude: latitude as number, longitude: longitude as number } : null,
  };
}

/** `Berlin, Germany`; null where nothing is known. */
export function locationName(location: Location | null): string | null {
  return [location?.city, location?.country].filter(Boolean).join(", ") || null;
}
