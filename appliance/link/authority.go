package link

import (
	"context"
	"fmt"
	"os"
	"slices"

	"causeway/appliance/model"
)

// OnlyControl refuses a caller that is neither control nor root nor, on a
// plain host, the user this process runs as.
func OnlyControl(ctx context.Context) error {
	return only(ctx, "control", 0, model.UIDControl)
}

// OnlyOperators refuses a caller that no operator sits behind: it lets pass
// what OnlyControl does, and the console.
func OnlyOperators(ctx context.Context) error {
	return only(ctx, "an operator's session", 0, model.UIDControl, model.UIDConsole)
}

// ForOperators gives a method that OnlyOperators guards.
func ForOperators[P, R any](method func(context.Context, P) (R, error)) func(context.Context, P) (R, error) {
	return func(ctx context.Context, params P) (R, error) {
		if err := OnlyOperators(ctx); err != nil {
			var none R
			return none, err
		}
		return method(ctx, params)
	}
}

func only(ctx context.Context, who string, uids ...uint32) error {
	uid, known := PeerUID(ctx)
	if known && (slices.Contains(uids, uid) || uid == uint32(os.Getuid())) {
		return nil
	}
	return fmt.Errorf("user %d may not do this: only %s may", uid, who)
}
