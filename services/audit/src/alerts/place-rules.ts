import type { Locate } from "@medvault/service-kit";
import { LATE_MS } from "./counted.ts";
import { personOf, SIGNED_IN } from "./person.ts";
import { type Fact, HOUR_MS, type Occurrence, type Rule } from "./rule.ts";
import type { AlertSettings } from "./settings.ts";
import { span } from "./words.ts";

const DAY_MS = 24 * HOUR_MS;
/** Addresses are placed no better than this. */
const MIN_KM = 200;
const EARTH_KM = 6_371;
const MAX_COUNTRIES = 20;

interface Point {
  readonly latitude: number;
  readonly longitude: number;
}
interface Stay extends Point {
  readonly at: number;
}

/** Sign-ins from places where the person never was, or cannot be. */
export function placeRules({ travelKmh }: AlertSettings, locate: Locate): Rule[] {
  const placeOf = ({ ip }: Fact) => (ip === null ? null : locate(ip));
  const countryOf = (fact: Fact) => placeOf(fact)?.countryCode ?? placeOf(fact)?.country ?? null;
  function signIn(fact: Fact): Occurrence | null {
    const actorId = fact.type === SIGNED_IN ? personOf(fact) : null;
    const country = countryOf(fact);
    return actorId === null || country === null ? null : { cause: { actorId }, weight: 1, words: country };
  }
  const only = ({ at, id }: Fact) => ({ firstAt: at, lastAt: at, count: 1, events: [id] });
  const newCountry: Rule<readonly string[]> = {
    name: "new_country",
    ...{ coverMs: HOUR_MS, keepMs: 400 * DAY_MS, occurrence: signIn },
    next(known = [], fact) {
      const country = countryOf(fact);
      if (country === null || known.includes(country)) return { state: known, hit: null };
      return {
        state: [...known, country].slice(-MAX_COUNTRIES),
        hit: known.length === 0 ? null : only(fact),
      };
    },
    why: ({ cause, words }, hit) =>
      `${cause.actorId} signed in from a country (${words}) in which they never did before, ${span(hit)}`,
  };
  const travel: Rule<Stay> = {
    name: "impossible_travel",
    ...{ coverMs: HOUR_MS, keepMs: 30 * DAY_MS + LATE_MS, occurrence: signIn },
    next(last, fact) {
      const point = placeOf(fact)?.at ?? null;
      if (point === null) return { state: last, hit: null };
      const here = { ...point, at: fact.at };
      if (last === undefined) return { state: here, hit: null };
      const km = distanceKm(last, here);
      const hours = Math.abs(here.at - last.at) / HOUR_MS;
      const hit = km > MIN_KM && km > hours * travelKmh ? only(fact) : null;
      return { state: here.at >= last.at ? here : last, hit };
    },
    why: ({ cause, words }, hit) =>
      `${cause.actorId} signed in from ${words} ${span(hit)}, too soon after a sign-in from far away (faster than ${travelKmh} km/h)`,
  };
  return [newCountry as Rule, travel as Rule];
}

/** Along the surface of the earth (haversine). */
function distanceKm(a: Point, b: Point): number {
  const rad = (degrees: number) => (degrees * Math.PI) / 180;
  const [dLat, dLon] = [rad(b.latitude - a.latitude), rad(b.longitude - a.longitude)];
  const h =
    Math.sin(dLat / 2) ** 2 + Math.cos(rad(a.latitude)) * Math.cos(rad(b.latitude)) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_KM * Math.asin(Math.min(1, Math.sqrt(h)));
}
