import { createClient } from "graphql-ws";

export type Change = {
  cursor: string;
  resyncRequired: boolean;
  orderId: string | null;
  event: { type: string; version: number } | null;
  order: { number: string; state: string } | null;
};

export type Board = {
  url: string;
  /** Gives a token that is good now. */
  token: () => Promise<string>;
  /** Fetches and shows everything; gives the `feedCursor` of the same query. */
  read: () => Promise<string>;
  show: (change: Change) => void;
  /** Ends it, for instance when the person has to sign in again. */
  signal: AbortSignal;
  /** How many milliseconds of silence a socket survives: nobody tells a phone that it is in a tunnel. */
  silence?: number;
};

const FOLLOW = `subscription ($after: String) {
  orderChanged(after: $after) { cursor resyncRequired orderId event { type version } order { number state } }
}`;
const FORBIDDEN = 4403;
const PASSING = ["UNAVAILABLE", "TIMEOUT", "RATE_LIMITED", "UNAUTHENTICATED"];

/** Follows orders until the signal ends it; throws what coming back doesn't mend. */
export async function follow({ url, token, read, show, signal, silence = 30_000 }: Board): Promise<void> {
  let authorization = "";
  let refusals = 0;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(deadline);
    deadline = setTimeout(() => client.terminate(), silence);
  };
  const client = createClient({
    url,
    connectionParams: () => ({ authorization }),
    retryAttempts: 0,
    keepAlive: silence / 3,
    on: {
      opened: heard,
      message: heard,
      connected: () => (refusals = 0),
      closed: () => clearTimeout(deadline),
    },
  });
  signal.addEventListener("abort", () => client.terminate());

  let cursor: string | null = null;
  while (!signal.aborted) {
    let pause = 1000 + Math.random() * 1000;
    try {
      authorization = `Bearer ${await token()}`;
      cursor ??= await read();
      if (signal.aborted) return;
      const variables: Record<string, unknown> = { after: cursor };
      for await (const { data } of client.iterate<{ orderChanged: Change }>({ query: FOLLOW, variables })) {
        const change = data?.orderChanged;
        if (!change || change.resyncRequired) {
          // What is not told has to be read.
          cursor = null;
          break;
        }
        show(change);
        cursor = change.cursor;
      }
    } catch (error) {
      if (Array.isArray(error)) {
        const codes: unknown[] = error.map(({ extensions }) => extensions?.code);
        if (codes.includes("MALFORMED_CURSOR")) cursor = null;
        else if (!codes.some((code) => PASSING.includes(`${code}`))) throw error;
      } else {
        // The connection is gone; what was told is told, and the rest comes behind the cursor.
        const { code, reason } = error as Partial<CloseEvent>;
        if (code === FORBIDDEN && (refusals += 1) > 2) throw error;
        const said = /retry in (\d+) ms/.exec(reason ?? "");
        if (said) pause = Number(said[1]);
      }
    }
    if (!signal.aborted) await new Promise((goOn) => setTimeout(goOn, pause));
  }
}
