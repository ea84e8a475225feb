/**
 * Who is signed in, and which access token is good now?
 *
 * Tokens live in this object alone. A reload takes them along through the tab's sessionStorage, where they lie only
 * between two pages: a tab that is duplicated meanwhile copies nothing, and no refresh token is ever used twice.
 */

import { NotSignedIn, ask } from "./api";

const HANDOVER = "eoms-session";

/** After this part of its life an access token is renewed. */
const RENEW_AFTER = 0.75;

interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** When to get the next ones, in milliseconds of this browser's clock. */
  readonly renewAt: number;
}

interface Refusal {
  readonly code: string;
  readonly message: string;
}

interface Payload {
  readonly accessToken: string | null;
  readonly refreshToken: string | null;
  readonly errors: readonly Refusal[];
}

const FIELDS = "accessToken refreshToken expiresAt errors { code message }";
const SIGN_IN = `mutation SignIn($input: SessionCreateInput!) { session: sessionCreate(input: $input) { ${FIELDS} } }`;
const RENEW = `mutation Renew($input: SessionRefreshInput!) { session: sessionRefresh(input: $input) { ${FIELDS} } }`;
const SIGN_OUT = `mutation SignOut($input: SessionRevokeInput!) { sessionRevoke(input: $input) { revoked } }`;

/** Name or password were refused; the message is the server's. */
export class SignInRefused extends Error {}

export class Session {
  #tokens: Tokens;
  #renewal: Promise<string> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasEnded = false;
  readonly #onEnd: () => void;

  private constructor(tokens: Tokens, onEnd: () => void) {
    this.#tokens = tokens;
    this.#onEnd = onEnd;
    this.#renewInTime();
    addEventListener("pagehide", this.#handOver);
    addEventListener("pageshow", forgetHandover);
  }

  /** Signs in; throws `SignInRefused`. `onEnd` is called once, when the session is over for any reason. */
  static async open(username: string, password: string, onEnd: () => void): Promise<Session> {
    const { session } = await ask<{ session: Payload }>(SIGN_IN, null, { input: { username, password } });
    return new Session(tokensOf(session), onEnd);
  }

  /** The session that this tab had before it was reloaded, or null. */
  static taken(onEnd: () => void): Session | null {
    const kept = sessionStorage.getItem(HANDOVER);
    forgetHandover();
    return kept === null ? null : new Session(JSON.parse(kept) as Tokens, onEnd);
  }

  /** An access token that is good for a while; throws `NotSignedIn`, and the session is over then. */
  async accessToken(): Promise<string> {
    if (this.#hasEnded) throw new NotSignedIn("You are signed out.");
    return Date.now() < this.#tokens.renewAt ? this.#tokens.accessToken : this.renew();
  }

  /** The next access token. However many ask at once, the refresh token is used once: a second use ends the session. */
  renew(): Promise<string> {
    this.#renewal ??= this.#renewed().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  /** Signs out, here and on the server. */
  async close(): Promise<void> {
    const { refreshToken, accessToken } = this.#tokens;
    this.end();
    await ask(SIGN_OUT, accessToken, { input: { refreshToken } }).catch(() => undefined);
  }

  /** Forgets the tokens. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    removeEventListener("pagehide", this.#handOver);
    removeEventListener("pageshow", forgetHandover);
    this.#onEnd();
  }

  async #renewed(): Promise<string> {
    const input = { refreshToken: this.#tokens.refreshToken };
    const { session } = await ask<{ session: Payload }>(RENEW, null, { input });
    if (session.errors.length > 0) {
      this.end();
      throw new NotSignedIn("Your session is over; sign in again.");
    }
    this.#tokens = tokensOf(session);
    this.#renewInTime();
    return this.#tokens.accessToken;
  }

  #renewInTime(): void {
    clearTimeout(this.#timer);
    const wait = Math.max(this.#tokens.renewAt - Date.now(), 0);
    // Where the network is away just then, the next request asks again.
    this.#timer = setTimeout(() => void this.renew().catch(() => undefined), wait);
  }

  readonly #handOver = (): void => sessionStorage.setItem(HANDOVER, JSON.stringify(this.#tokens));
}

function forgetHandover(): void {
  sessionStorage.removeItem(HANDOVER);
}

function tokensOf(payload: Payload): Tokens {
  const { accessToken, refreshToken, errors } = payload;
  if (accessToken === null || refreshToken === null) {
    throw new SignInRefused(errors[0]?.message ?? "The server refused.");
  }
  return { accessToken, refreshToken, renewAt: Date.now() + secondsOf(accessToken) * 1000 * RENEW_AFTER };
}

/** How long an access token lives (RFC 7519: exp and iat), whatever this browser's clock says. */
function secondsOf(token: string): number {
  const claims = token.split(".")[1] ?? "";
  const { exp, iat } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as {
    exp: number;
    iat: number;
  };
  return exp - iat;
}
