//! Random schedules: what several replicas do and deliver to each other, run on the model alone or on the model and on
//! SQLite together.

#![allow(dead_code)] // each test binary uses its own part of this module

pub mod avoid;
pub mod carrier;
pub mod compare;
pub mod database;
pub mod ddl;
pub mod exchange;
pub mod generate;
pub mod habit;
pub mod large;
pub mod migrate;
pub mod migrations;
pub mod plan;
pub mod random;
pub mod run;
pub mod shapes;
pub mod shrink;
pub mod sql;
pub mod values;
