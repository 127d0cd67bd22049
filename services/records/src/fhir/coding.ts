import { CODING_CHARS, type Coding, type NewCode } from "@medvault/contracts";
import { isKnownSystem } from "./code-system.ts";
import type { Concept } from "./element.ts";

/** A code as a row has it. In rows from before, codes have no system. */
export interface Coded {
  code: string | null;
  codeSystem: string | null;
  codeDisplay: string | null;
}

const UNCODED: Coded = { code: null, codeSystem: null, codeDisplay: null };

/**
 * Of what a client sent: a bare code has no system, but where it is the one that is there, whose
 * system and words stay.
 */
export function codedFrom(given: NewCode | null | undefined, found: Coded = UNCODED): Coded {
  if (!given) return UNCODED;
  const { codeSystem, codeDisplay } = found;
  if (given === found.code) return { code: given, codeSystem, codeDisplay };
  const { code, system = null, display = null } = typeof given === "string" ? { code: given } : given;
  return { code, codeSystem: system, codeDisplay: display };
}

/**
 * Of a concept in several systems: the code that a person chose, else one of a system that is
 * known, else the first. All of them stay in the original. What is longer than ours can be is left
 * out.
 */
export function codedOf(concept: Concept | undefined): Coded {
  const codings = (concept?.coding ?? []).filter(
    ({ code, system }) =>
      code && code.length <= CODING_CHARS.code && (system ?? "").length <= CODING_CHARS.system,
  );
  const shown =
    codings.find((coding) => coding.userSelected === true) ??
    codings.find((coding) => isKnownSystem(coding.system)) ??
    codings[0];
  if (!shown?.code) return UNCODED;
  const display = shown.display && shown.display.length <= CODING_CHARS.display ? shown.display : null;
  return { code: shown.code, codeSystem: shown.system || null, codeDisplay: display };
}

/** As answers show it. */
export function codingOf({ code, codeSystem, codeDisplay }: Coded): Coding | null {
  if (code === null) return null;
  return { system: codeSystem, code, display: codeDisplay, known: isKnownSystem(codeSystem) };
}

/** As a FHIR concept has it. */
export function fhirCoding({ code, codeSystem, codeDisplay }: Coded): { coding?: object[] } {
  if (code === null) return {};
  const system = codeSystem !== null && { system: codeSystem };
  return { coding: [{ ...system, code, ...(codeDisplay !== null && { display: codeDisplay }) }] };
}
