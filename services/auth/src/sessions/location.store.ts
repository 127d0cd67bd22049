import { ConfigError } from "@medvault/service-kit";
import { open, type Response } from "maxmind";

interface Place {
  city?: { names?: { en?: string } };
  country?: { names?: { en?: string } };
}

/**
 * Coarse locations (city and country) of addresses by a MaxMind file, which is read into memory
 * once and never asks anybody. Throws ConfigError for a file that is none: a location that silently
 * stays away would be taken for "the usual place".
 */
export async function openLocations(file: string): Promise<(ip: string) => string | null> {
  const reader = await open<Response & Place>(file).catch(() => {
    throw new ConfigError(new Map([["MEDVAULT_GEOIP_FILE", "must name a whole MaxMind file (.mmdb)"]]));
  });
  return (ip) => {
    try {
      const found = reader.get(ip);
      const names = [found?.city?.names?.en, found?.country?.names?.en].filter(Boolean);
      return names.length > 0 ? names.join(", ") : null;
    } catch {
      return null; // no address, or IPv6 in a file of IPv4
    }
  };
}
