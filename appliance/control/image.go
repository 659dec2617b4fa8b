package control

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"causeway/appliance/certificates/tpm"
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// readBuild reads what image this is. Without the file, as on a plain host,
// nothing is known: the clock has no floor, and all revisions are of one version.
func readBuild(path string, log *slog.Logger) (info model.BuildInfo) {
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		log.Warn("the image is unknown", "error", err)
	}
	return info
}

// findTPM gives the TPM of this box, nil without one.
func findTPM(device string, log *slog.Logger) *tpm.TPM {
	found, err := tpm.Find(device)
	if err != nil {
		log.Error("the TPM is not used", "error", err)
	}
	return found
}

// boxKey gives the key that seals the secrets of this box. Without one, secrets
// are taken in their stored form only.
func boxKey(dir string, log *slog.Logger) *config.BoxKey {
	err := makeKey(dir)
	if err == nil {
		var key *config.BoxKey
		if key, err = config.ReadBoxKey(dir); err == nil {
			return key
		}
	}
	log.Error("secrets cannot be typed", "error", err)
	return nil
}

// makeKey makes the box key when there is none yet. One that is damaged is not
// replaced: secrets are sealed under it. billing reads it as well, by the group of
// its directory.
func makeKey(dir string) error {
	path := filepath.Join(dir, config.BoxKeyFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("keep the box key: %w", err)
	}
	if err := storage.WriteFile(path, key, 0o640); err != nil {
		return fmt.Errorf("keep the box key: %w", err)
	}
	return nil
}
