package license

// What the product is to a licence server (L-37, rows 3, 5, 9 and 11).
const (
	productID          = "CAUSEWAY"
	softwareTag        = "regid.2026-11.com.example.CUSP,1.0_3a1f6c1e-8d0b-4d5c-9b57-6f2f0e9c41d8"
	entitlementTag     = "regid.2026-11.com.example.CUSP-5,1.0_c5b7e9d2-0f64-4a3e-8c19-7be1d2a4f063"
	entitlementName    = "CUSP-5 calls per second"
	entitlementVersion = "1.0"
	agentVersion       = "1.0"
)
