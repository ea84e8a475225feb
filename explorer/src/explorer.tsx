/** What does one signed-in person work with? GraphiQL over his session, with the plugins that fit what he may read. */

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { DOC_EXPLORER_PLUGIN } from "@graphiql/plugin-doc-explorer";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { createLocalStorage } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import type { GraphQLSchema } from "graphql";
import { useEffect, useMemo } from "react";

import { examplesFor } from "./examples";
import { examplesPlugin } from "./examples-panel";
import { connect } from "./fetcher";
import { Header } from "./header";
import type { Person, Persona } from "./people";
import type { Session } from "./session";

const NO_SCHEMA = "The schema's documentation is for staff; the editor works without it.";

interface Props {
  readonly session: Session;
  readonly person: Person;
  readonly schema: GraphQLSchema | null;
  readonly personas: readonly Persona[];
  readonly onBecome: (username: string) => Promise<void>;
  readonly onSignOut: () => void;
}

export function Explorer({ session, person, schema, personas, onBecome, onSignOut }: Props) {
  const connection = useMemo(() => connect(session), [session]);
  useEffect(() => () => connection.close(), [connection]);

  const groups = useMemo(() => examplesFor(person.roles), [person]);
  const examples = useMemo(() => examplesPlugin(groups, session), [groups, session]);
  const plugins = useMemo(
    () => [examples, ...(schema === null ? [] : [explorerPlugin()]), HISTORY_PLUGIN],
    [examples, schema],
  );
  // History and tabs stay in this browser, apart for each person; there are no headers in them, so no tokens.
  const storage = useMemo(() => createLocalStorage({ namespace: `eoms:${person.username}` }), [person]);

  return (
    <>
      <Header
        person={person}
        personas={personas}
        notice={schema === null ? NO_SCHEMA : ""}
        onBecome={onBecome}
        onSignOut={onSignOut}
      />
      <GraphiQL
        fetcher={connection.fetcher}
        schema={schema}
        storage={storage}
        plugins={plugins}
        referencePlugin={schema === null ? null : DOC_EXPLORER_PLUGIN}
        visiblePlugin={examples}
        defaultQuery={groups[0]?.examples[0]?.document ?? ""}
        defaultEditorToolsVisibility="variables"
        isHeadersEditorEnabled={false}
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo> </GraphiQL.Logo>
      </GraphiQL>
    </>
  );
}
