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

// keyFile is the box key: 32 octets.
const keyFile = "box.key"

// boxKey gives the key that seals the secrets of this box. Without one, secrets
// are taken in their stored form only.
func boxKey(path string, log *slog.Logger) *config.BoxKey {
	key, err := loadKey(path)
	if err == nil {
		var sealing *config.BoxKey
		if sealing, err = config.NewBoxKey(key); err == nil {
			return sealing
		}
	}
	log.Error("secrets cannot be typed", "error", err)
	return nil
}

// loadKey reads the box key, or makes it when there is none yet. One that is
// damaged is not replaced: secrets are sealed under it.
func loadKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("keep the box key: %w", err)
	}
	if err := storage.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("keep the box key: %w", err)
	}
	return key, nil
}
