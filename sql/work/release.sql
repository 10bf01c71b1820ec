RELEASE crsql
