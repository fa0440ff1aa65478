import Type from 'typebox';

export const Exposition = Type.String({ description: "Prometheus' text format, version 0.0.4." });
