//! The report for a person at a terminal.

use super::Report;
