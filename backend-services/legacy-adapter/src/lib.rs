//! Anti-corruption layer: REST in front of the monolith's SOAP.
