/** What is on the page: signing in, or the explorer of whoever is signed in. */

import type { GraphQLSchema } from "graphql";
import { useCallback, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

import { Explorer } from "./explorer";
import { type Demo, type Person, demo, person } from "./people";
import { readSchema } from "./schema";
import { Session } from "./session";
import { SignIn } from "./sign-in";

// Here and not only where GraphiQL loads it: so its style sheets come with the page's.
import "monaco-graphql/esm/monaco-editor.js";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";
import "./page.css";

const UNREACHABLE = "The server can't be reached; try again.";

interface SignedIn {
  readonly session: Session;
  readonly person: Person;
  readonly schema: GraphQLSchema | null;
}

function Page({ offered }: { readonly offered: Demo | null }) {
  const [signedIn, setSignedIn] = useState<SignedIn | null>(null);
  const [isBusy, setBusy] = useState(true);
  const [refusal, setRefusal] = useState("");

  const enter = useCallback(async (open: (onEnd: () => void) => Promise<Session | null>) => {
    setBusy(true);
    setRefusal("");
    try {
      const session = await open(() => setSignedIn(null));
      if (session !== null) {
        const token = await session.accessToken();
        const [who, schema] = await Promise.all([person(token), readSchema(token)]);
        setSignedIn({ session, person: who, schema });
      }
    } catch (error) {
      setRefusal(error instanceof TypeError ? UNREACHABLE : (error as Error).message);
    } finally {
      setBusy(false);
    }
  }, []);

  useEffect(() => void enter(async (onEnd) => Session.taken(onEnd)), [enter]);

  const signIn = useCallback(
    (username: string, password: string) => enter((onEnd) => Session.open(username, password, onEnd)),
    [enter],
  );

  if (signedIn === null) return <SignIn demo={offered} isBusy={isBusy} refusal={refusal} onSignIn={signIn} />;
  const become = async (username: string) => {
    await signedIn.session.close();
    await signIn(username, offered?.password ?? "");
  };
  return (
    <Explorer
      key={signedIn.person.username}
      {...signedIn}
      personas={offered?.personas ?? []}
      onBecome={become}
      onSignOut={() => void signedIn.session.close()}
    />
  );
}

const place = document.getElementById("page");
if (place !== null) createRoot(place).render(<Page offered={await demo().catch(() => null)} />);
