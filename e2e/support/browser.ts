import { type Browser, type CDPSession, chromium as driver, type Page } from "playwright-core";
import { sharedPath } from "../../dev/lib/paths.mjs";
import { chromium } from "../../dev/servers/chromium.ts";
import type { Json } from "./client.ts";

/** A credential of the virtual authenticator (Chrome DevTools Protocol, WebAuthn.Credential). */
type Credential = Awaited<ReturnType<typeof credentialsOf>>[number];

/** Chromium, headless. It is downloaded if needed; where that fails, the error says what to do. */
export async function openBrowser(): Promise<Browser> {
  const { executable, libraries } = await chromium(sharedPath("chromium"), console.log);
  return driver.launch({
    executablePath: executable,
    // Chromium's own sandbox refuses root; it loads pages of this test alone.
    chromiumSandbox: process.getuid?.() !== 0,
    env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    timeout: 60_000,
  });
}

/** A page of a site with an authenticator of its own, as a person's device has. */
export class Device {
  readonly #page: Page;
  readonly #devtools: CDPSession;
  readonly #authenticatorId: string;

  private constructor(page: Page, devtools: CDPSession, authenticatorId: string) {
    this.#page = page;
    this.#devtools = devtools;
    this.#authenticatorId = authenticatorId;
  }

  /** `url`: any answer of the site whose origin asks. */
  static async open(browser: Browser, url: string): Promise<Device> {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return new Device(page, devtools, authenticatorId);
  }

  /** `navigator.credentials.create()` with the API's options; throws what the browser throws. */
  create(options: Json): Promise<Json> {
    return this.#ask("create", "parseCreationOptionsFromJSON", options);
  }

  /** The same with `navigator.credentials.get()`. */
  get(options: Json): Promise<Json> {
    return this.#ask("get", "parseRequestOptionsFromJSON", options);
  }

  #ask(method: "create" | "get", reader: string, options: Json): Promise<Json> {
    return this.#page.evaluate(
      `navigator.credentials.${method}({ publicKey: PublicKeyCredential.${reader}(${JSON.stringify(options)}) })
         .then((credential) => credential.toJSON())`,
    );
  }

  /** What its authenticator holds, private keys included. */
  credentials(): Promise<Credential[]> {
    return credentialsOf(this.#devtools, this.#authenticatorId);
  }

  /** Puts a credential into its authenticator; one of the same id is replaced. */
  async hold(credential: Credential): Promise<void> {
    const authenticatorId = this.#authenticatorId;
    const { credentialId } = credential;
    if ((await this.credentials()).some((known) => known.credentialId === credentialId)) {
      await this.#devtools.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
    }
    await this.#devtools.send("WebAuthn.addCredential", { authenticatorId, credential });
  }

  close(): Promise<void> {
    return this.#page.context().close();
  }
}

async function credentialsOf(devtools: CDPSession, authenticatorId: string) {
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  return credentials;
}
