/** How answers become JSON: compiled from their schemas, once for each schema. */
import { type SerializerFactory, SerializerSelector } from '@fastify/fast-json-stringify-compiler';

/** Most routes have most problems in common, and compiling one alone checks every component anew. */
export const sharedSerializers: SerializerFactory = (components, options) => {
  const compile = SerializerSelector()(components, options);
  const known = new Map<string, ReturnType<typeof compile>>();
  return (route) => {
    const schema = JSON.stringify(route.schema);
    const serialize = known.get(schema) ?? compile(route);
    known.set(schema, serialize);
    return serialize;
  };
};
